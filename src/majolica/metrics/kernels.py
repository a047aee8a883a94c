"""Distances by the maximum mean discrepancy of a kernel: KID and CMMD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.metrics.features import chunk_rows, pair_doubles, squared_distances


@dataclass(frozen=True)
class KernelDistance:
    """The mean over subsets, their standard deviation, and how many subsets of which size there were.

    The deviation is that of one subset from the mean over the subsets; it is no standard error of the
    mean, because the subsets share samples.
    """

    mean: float
    deviation: float
    size: int
    subsets: int


def kernel_distance(
    first_BD: Tensor, second_BD: Tensor, subsets: int = 100, size: int = 1000, seed: int = 0
) -> KernelDistance:
    """Return KID, the unbiased MMD^2 of the kernel (x.y / D + 1)^3, averaged over random subsets.

    KID is that of Binkowski et al., "Demystifying MMD GANs", arXiv 1801.01401; on published scales it
    is often multiplied by 1000. Because it is unbiased, it is about 0, and also negative, for two
    samples of one distribution, whatever their size. Both sets give `size` samples without
    replacement to each subset; if a set has fewer, `size` is reduced to its number and recorded. The
    subsets are those of torch-fidelity for the same `seed` (its own default is 2020).
    Raises ValueError if a set has fewer than two samples, or if the features differ in dimensions.
    """
    first_BD, second_BD = pair_doubles(first_BD, second_BD, least=2)
    size = min(size, len(first_BD), len(second_BD))
    if size < 2 or subsets < 1:
        raise ValueError("a kernel distance needs at least one subset, and two samples in it")
    # The stream of RandomState is the same in all releases of numpy, and torch-fidelity draws from it.
    rng = np.random.RandomState(seed)
    found = np.empty(subsets)
    for i in range(subsets):
        chosen = [torch.from_numpy(rng.choice(len(x_BD), size, replace=False)) for x_BD in (first_BD, second_BD)]
        found[i] = _unbiased_mmd(first_BD[chosen[0].to(first_BD.device)], second_BD[chosen[1].to(second_BD.device)])
    return KernelDistance(float(found.mean()), float(found.std()), size, subsets)


def _unbiased_mmd(x_BD: Tensor, y_BD: Tensor) -> float:
    """Return the unbiased estimate of MMD^2 of the polynomial kernel from two sets of one size.

    A sample is not paired with itself within a set.
    """
    count, dimensions = x_BD.shape
    within = 0.0
    for own_BD in (x_BD, y_BD):
        alone_B = (own_BD.square().sum(1) / dimensions + 1) ** 3
        within += float(_polynomial(own_BD, own_BD).sum() - alone_B.sum())
    return within / (count * (count - 1)) - 2 * float(_polynomial(x_BD, y_BD).mean())


def _polynomial(x_BD: Tensor, y_CD: Tensor) -> Tensor:
    return (x_BD @ y_CD.T).div_(x_BD.shape[1]).add_(1).pow_(3)


def mmd(first_BD: Tensor, second_BD: Tensor, bandwidth: float = 10, scale: float = 1000) -> float:
    """Return CMMD, `scale` times the biased MMD^2 of the kernel exp(-|x - y|^2 / (2 bandwidth^2)).

    CMMD is that of Jayasumana et al., "Rethinking FID", arXiv 2401.09603, with their bandwidth and
    scale; the features are divided by their lengths, as theirs are. As the estimate is biased, it is
    0 only for equal sets, and never negative. Their code computes in float32, which leaves errors of
    some 0.0003 at their scale. The kernel is computed in chunks of about 64 MB.
    Raises ValueError if a set is empty, or if the features differ in dimensions.
    """
    first_BD, second_BD = (F.normalize(x_BD, dim=1) for x_BD in pair_doubles(first_BD, second_BD, least=1))
    own = _mean_excess(first_BD, first_BD, bandwidth) + _mean_excess(second_BD, second_BD, bandwidth)
    return max(0.0, scale * (own - 2 * _mean_excess(first_BD, second_BD, bandwidth)))


def _mean_excess(x_BD: Tensor, y_CD: Tensor, bandwidth: float) -> float:
    """Return the mean of the Gaussian kernel less 1 over all pairs.

    The ones cancel in MMD^2. All values of the kernel are near 1 at a large bandwidth, so without them
    more digits are left.
    """
    total = 0.0
    for rows_BD in torch.split(x_BD, chunk_rows(len(y_CD))):
        total += float(squared_distances(rows_BD, y_CD).div_(-2 * bandwidth**2).expm1_().sum())
    return total / (len(x_BD) * len(y_CD))
