"""The sliced Wasserstein distance between two sets of features, known as MIND."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.metrics.features import chunk_rows, pair_doubles


def sliced_distance(first_BD: Tensor, second_BD: Tensor, directions: int = 1000, seed: int = 0) -> float:
    """Return 3 D times the mean squared Wasserstein-2 distance along random directions.

    This is the Monge Inception Distance of Berthet et al., "MIND: Monge Inception Distance for Generative
    Models Evaluation", arXiv 2605.06797. Along each direction, drawn evenly from the unit sphere, the
    distance is that of the sorted projections; it is exact for sets of unequal sizes too. D is the number of
    dimensions; the factor 3 D brings the result near the size of a Frechet distance. Two sets that
    differ by a shift m are 3 |m|^2 apart on average over the directions. It is 0 for equal sets.
    Raises ValueError if a set is empty, or if the features differ in dimensions.
    """
    first_BD, second_BD = pair_doubles(first_BD, second_BD, least=1)
    dimensions = first_BD.shape[1]
    if directions < 1 or dimensions < 1:
        raise ValueError("a sliced distance needs at least one direction and one dimension")
    generator = torch.Generator().manual_seed(seed)
    directions_ND = torch.randn(directions, dimensions, dtype=torch.float64, generator=generator)
    directions_ND = F.normalize(directions_ND, dim=1).to(first_BD.device)
    weights_P, first_P, second_P = (part.to(first_BD.device) for part in _align(len(first_BD), len(second_BD)))
    total = 0.0
    for some_ND in torch.split(directions_ND, chunk_rows(len(first_BD) + len(second_BD))):
        # The projections are NB, because sorting is fastest along the last axis.
        first_NB, second_NB = ((some_ND @ x_BD.T).sort(1).values for x_BD in (first_BD, second_BD))
        gaps_NP = first_NB[:, first_P] - second_NB[:, second_P]
        total += float((gaps_NP.square() @ weights_P).sum())
    return 3 * dimensions * total / directions


def _align(first: int, second: int) -> tuple[Tensor, Tensor, Tensor]:
    """Split the interval from 0 to 1 where the quantile function of either of two samples steps.

    Returns, for every piece, its length and the indices of the sorted values that both quantile functions
    have on it. Ends of pieces are counted in units of 1 / (first second), which makes them exact.
    """
    ends_P = np.union1d(np.arange(1, first + 1) * second, np.arange(1, second + 1) * first)
    starts_P = np.concatenate([[0], ends_P[:-1]])
    weights_P = (ends_P - starts_P) / (first * second)
    return torch.from_numpy(weights_P), torch.from_numpy(starts_P // second), torch.from_numpy(starts_P // first)
