"""How well answers agree with labels: shares of right answers, recall of classes, calibration.

Shapes: N pictures, K classes, R answers in their order, M bins of confidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from majolica.metrics.intervals import resample_interval

BINS = 15
"""Bins of confidence, as in Guo et al. (arXiv 1706.04599)."""


def share_among(ranked_NR: Tensor, labels_N: Tensor, among: int) -> float:
    """Return the share of pictures whose label is one of their first `among` answers."""
    return float((ranked_NR[:, :among] == labels_N[:, None]).any(1).double().mean())


def class_recalls(answers_N: Tensor, labels_N: Tensor, classes: int) -> Tensor:
    """Return the share of right answers among the pictures of each class, float64 `(K,)`; NaN if it has none."""
    right_K = torch.bincount(labels_N[answers_N == labels_N], minlength=classes).double()
    return right_K / torch.bincount(labels_N, minlength=classes)


def mean_recall(answers_N: Tensor, labels_N: Tensor, classes: int) -> float:
    """Return the mean recall over the classes that have pictures: the balanced accuracy."""
    return float(class_recalls(answers_N, labels_N, classes).nanmean())


def mean_recall_interval(
    answers_N: Tensor, labels_N: Tensor, classes: int, rounds: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of `mean_recall` by the bootstrap over pictures.

    A draw in which a class has no picture takes the mean over the others.
    """
    labels, right = labels_N.numpy(), (answers_N == labels_N).numpy().astype(np.float64)

    def of_rows(rows: NDArray[np.intp]) -> float:
        counts = np.bincount(labels[rows], minlength=classes)
        hits = np.bincount(labels[rows], weights=right[rows], minlength=classes)
        return float((hits[counts > 0] / counts[counts > 0]).mean())

    return resample_interval(of_rows, len(labels), rounds, seed)


@dataclass(frozen=True)
class Reliability:
    """Confidence and share of right answers in bins of confidence."""

    count_M: Tensor
    """Pictures in each bin, int64."""
    confidence_M: Tensor
    """Mean confidence, float64; 0 in an empty bin."""
    right_M: Tensor
    """Share of right answers, float64; 0 in an empty bin."""

    @property
    def error(self) -> float:
        """The expected calibration error: sum over bins of count / N times |right - confidence|."""
        gaps_M = (self.right_M - self.confidence_M).abs()
        return float((self.count_M * gaps_M).sum() / self.count_M.sum())


def measure_reliability(confidence_N: Tensor, right_N: Tensor, bins: int = BINS) -> Reliability:
    """Sort answers into `bins` bins of equal width: bin m holds the confidences in ((m - 1) / M, m / M].

    This is the estimator of Guo et al., "On Calibration of Modern Neural Networks" (arXiv 1706.04599, equation 3).
    A confidence of 0 belongs to the first bin.
    """
    confidence_N, right_N = confidence_N.double(), right_N.double()
    bin_N = ((confidence_N * bins).ceil().long() - 1).clamp(0, bins - 1)
    count_M = torch.bincount(bin_N, minlength=bins)
    sums = [torch.bincount(bin_N, weights=values_N, minlength=bins) for values_N in (confidence_N, right_N)]
    confidence_M, right_M = (sum_M / count_M.clamp(min=1) for sum_M in sums)
    return Reliability(count_M, confidence_M, right_M)


def confusion_counts(answers_N: Tensor, labels_N: Tensor, classes: int) -> Tensor:
    """Count the answers, int64 `(K, K)`: the row is the label, the column the answer."""
    return torch.bincount(labels_N * classes + answers_N, minlength=classes * classes).view(classes, classes)
