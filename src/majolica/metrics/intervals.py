"""95 % intervals: of any statistic by the bootstrap, and of a share by Wilson's formula."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def bootstrap_interval(
    values_B: Tensor, statistic: Callable[[Tensor], Tensor | float] = torch.mean, rounds: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval, low and high, of `statistic` over independent values, by the bootstrap.

    `statistic` gets a tensor of the same shape, whose rows were drawn from those of `values_B` with
    replacement, so paired values go into one row. The rows must be what is independent: if several
    pictures share a prompt, give one value per prompt. See `resample_interval`. Raises ValueError if there
    are no values or no rounds.
    """
    values_B = values_B.double()

    def of_rows(chosen_B: NDArray[np.intp]) -> float:
        return float(statistic(values_B[torch.from_numpy(chosen_B)]))

    return resample_interval(of_rows, len(values_B), rounds, seed)


def resample_interval(
    statistic: Callable[[NDArray[np.intp]], float], count: int, rounds: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of `statistic` over `count` independent units, which it gets resampled by index.

    It is the percentile interval of Efron ("Bootstrap Methods: Another Look at the Jackknife", 1979),
    from the 2.5th to the 97.5th percentile over `rounds`. The draws depend on `seed` and `count` alone,
    so statistics of the same units get the same draws, and their differences can be compared.
    Raises ValueError if there are no units or no rounds.
    """
    if count < 1 or rounds < 1:
        raise ValueError("a bootstrap needs at least one unit and one round")
    rng = np.random.default_rng(seed)
    found = [statistic(rng.integers(count, size=count)) for _ in range(rounds)]
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval, low and high, of a share that was seen in `count` independent trials.

    It is the score interval of Wilson ("Probable inference, the law of succession, and statistical
    inference", 1927), which has a width also at shares of 0 and 1. Raises ValueError if the share is
    not from 0 to 1 or if there are no trials.
    """
    if not (0 <= share <= 1 and count >= 1):
        raise ValueError(f"no share from 0 to 1 of at least one trial: {share} of {count}")
    z = 1.96
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, centre - half), min(1.0, centre + half)
