"""Fidelity and variety of a painter by nearest neighbours: precision, recall, density and coverage."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from majolica.metrics.features import chunk_rows, pair_doubles, squared_distances


@dataclass(frozen=True)
class ManifoldScores:
    """Precision, recall and coverage are shares from 0 to 1; density has no upper end, and is 1 on equal terms."""

    precision: float
    recall: float
    density: float
    coverage: float


def manifold_scores(real_BD: Tensor, painted_BD: Tensor, neighbours: int = 5) -> ManifoldScores:
    """Compare real with painted features by balls that reach to the k-th nearest neighbour of their own set.

    * precision: the share of painted features within the ball of any real one;
    * recall: the share of real features within the ball of any painted one;
    * density: the mean number of balls of real features around a painted one, divided by k;
    * coverage: the share of real features whose ball holds a painted one.

    The first two are those of Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing
    Generative Models", arXiv 1904.06991 (who take 3 neighbours), and the last two those of Naeem et al.,
    "Reliable Fidelity and Diversity Metrics for Generative Models", arXiv 2002.09797 (who take 5). A point
    on the surface is outside of a ball, as in the code of Naeem et al. All depend on the number of samples,
    so compare equal numbers. Distances are computed in chunks.

    Raises ValueError if a set has no more samples than `neighbours`, or if the dimensions differ.
    """
    if neighbours < 1:
        raise ValueError("at least one neighbour is needed")
    real_BD, painted_BD = pair_doubles(real_BD, painted_BD, least=neighbours + 1)
    centre_D = real_BD.mean(0)  # Distances are the more exact the shorter the vectors are.
    real_BD, painted_BD = real_BD - centre_D, painted_BD - centre_D
    real_radii_B, painted_radii_B = _squared_radii(real_BD, neighbours), _squared_radii(painted_BD, neighbours)
    around_B = torch.zeros(len(painted_BD), dtype=torch.int64, device=painted_BD.device)
    recalled, covered = 0, 0
    rows = chunk_rows(len(painted_BD))
    for chunk_BD, radii_B in zip(torch.split(real_BD, rows), torch.split(real_radii_B, rows), strict=True):
        distances_BC = squared_distances(chunk_BD, painted_BD)
        within_BC = distances_BC < radii_B[:, None]
        around_B += within_BC.sum(0)
        covered += int(within_BC.any(1).sum())
        recalled += int((distances_BC < painted_radii_B[None]).any(1).sum())
    return ManifoldScores(
        precision=float((around_B > 0).double().mean()),
        recall=recalled / len(real_BD),
        density=float(around_B.double().mean()) / neighbours,
        coverage=covered / len(real_BD),
    )


def _squared_radii(x_BD: Tensor, neighbours: int) -> Tensor:
    """Return the squared distance of each sample to its k-th nearest neighbour other than itself.

    It is smaller by a billionth, so that a copy of that neighbour is on the surface despite rounding errors.
    """
    radii = []
    for start in range(0, len(x_BD), rows := chunk_rows(len(x_BD))):
        distances_BC = squared_distances(x_BD[start : start + rows], x_BD)
        own_B = torch.arange(len(distances_BC), device=x_BD.device)
        distances_BC[own_B, start + own_B] = math.inf
        radii.append(distances_BC.topk(neighbours, dim=1, largest=False).values[:, -1])
    return torch.cat(radii) * (1 - 1e-9)
