"""Decides whether pictures are nearer to the training pictures than real pictures are that were never trained on."""

from __future__ import annotations

import math

import torch
from torch import Tensor

Z = 1.96
"""Standard deviations on each side of a 95 % interval."""


def share_nearer(distance_B: Tensor, real_R: Tensor) -> Tensor:
    """Return for each distance the share of the R real distances that are at most as large, `(B,)`.

    It is the p-value of "this distance is that of a real picture which was not trained on". Raises
    ValueError if there is no real distance.
    """
    if not len(real_R):
        raise ValueError("real distances are needed to compare with")
    ordered_R = real_R.double().sort().values
    return torch.searchsorted(ordered_R, distance_B.double(), right=True) / len(ordered_R)


def probability_nearer(distance_B: Tensor, real_R: Tensor) -> tuple[float, float, float]:
    """Return the probability that a painted picture is nearer than a real one, and its 95 % interval.

    It is 0.5 if both have the same distribution, and ties count half: the statistic U of Mann and
    Whitney over B R, with which Meehan et al. test for copies of the training data (arXiv 2004.05675).
    The interval is that of DeLong et al. ("Comparing the areas under two or more correlated receiver
    operating characteristic curves", 1988), kept inside of [0, 1]. Raises ValueError if either side is empty.
    """
    if not len(distance_B) or not len(real_R):
        raise ValueError("distances are needed on each side")
    first_B1, second_R = distance_B.double()[:, None], real_R.double()
    wins_BR = (first_B1 < second_R).double() + 0.5 * (first_B1 == second_R).double()
    chance = float(wins_BR.mean())
    variance = sum(float(means.var()) / len(means) for means in (wins_BR.mean(1), wins_BR.mean(0)) if len(means) > 1)
    margin = Z * math.sqrt(variance)
    return chance, max(0.0, chance - margin), min(1.0, chance + margin)


def median(values_N: Tensor) -> float:
    """Return the median; of an even number of values, the middle between the two in the middle."""
    return float(values_N.double().quantile(0.5))


def median_ratio(distance_B: Tensor, real_R: Tensor, rounds: int = 1000, seed: int = 0) -> tuple[float, float, float]:
    """Return the median distance over that of real pictures, and its 95 % bootstrap interval (percentiles).

    Both sides are drawn anew in each round. The ratio is infinite or not a number if the real median is 0.
    """
    generator = torch.Generator().manual_seed(seed)

    def medians(values_N: Tensor) -> Tensor:
        chosen = torch.randint(len(values_N), (rounds, len(values_N)), generator=generator)
        return values_N.double()[chosen].quantile(0.5, dim=1)

    ratios = (medians(distance_B) / medians(real_R)).sort().values
    low, high = float(ratios[int(0.025 * rounds)]), float(ratios[math.ceil(0.975 * rounds) - 1])
    ratio = torch.tensor(median(distance_B), dtype=torch.float64) / median(real_R)  # a float would raise at 0
    return float(ratio), low, high
