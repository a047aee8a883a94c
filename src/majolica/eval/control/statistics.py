"""Statistics of requested and measured values, also of angles, with intervals by the bootstrap.

Shapes: V requested values, B pictures at each, N pairs of values.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from majolica.metrics.intervals import resample_interval
from majolica.properties.property import Property

FloatArray = NDArray[np.float64]


def correlate(requested: ArrayLike, measured: ArrayLike, entry: Property) -> float:
    """Spearman's rho, or for angles the circular correlation; pictures without a value are left out."""
    first, second = np.asarray(requested, np.float64).ravel(), np.asarray(measured, np.float64).ravel()
    known = np.isfinite(second)
    if entry.circular:
        turn = 2 * np.pi / entry.span
        return circular_correlation(first[known] * turn, second[known] * turn)
    return spearman(first[known], second[known])


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Return Spearman's rank correlation; equal values get the mean of their ranks.

    It is 0 if either side is constant.
    """
    ranks = [_ranks(np.asarray(values, dtype=np.float64)) for values in (first, second)]
    centred = [rank - rank.mean() for rank in ranks]
    scale = np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum())
    return float((centred[0] * centred[1]).sum() / scale) if scale > 0 else 0.0


def _ranks(values: FloatArray) -> FloatArray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    mean: FloatArray = (last - (counts - 1) / 2)[inverse]
    return mean


def circular_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """The correlation of angles in radians by Fisher and Lee ("A correlation coefficient for circular data", 1983).

    It is 1 if both turn alike, whatever the angle between them; -1 if they turn against each other;
    and 0 if either side is constant.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    count = len(a)
    cross = (np.cos(a) * np.cos(b)).sum() * (np.sin(a) * np.sin(b)).sum()
    cross -= (np.cos(a) * np.sin(b)).sum() * (np.sin(a) * np.cos(b)).sum()
    spreads = [count**2 - np.cos(2 * x).sum() ** 2 - np.sin(2 * x).sum() ** 2 for x in (a, b)]
    scale = np.sqrt(max(spreads[0], 0.0) * max(spreads[1], 0.0))
    return float(4 * cross / scale) if scale > 1e-9 * max(count, 1) ** 2 else 0.0


def deviation(requested: ArrayLike, measured: ArrayLike, entry: Property) -> FloatArray:
    """|requested - measured| as a share of the range, the short way round for angles.

    A picture without a value has the largest there is: 1, and 1/2 for angles.
    """
    away = np.abs(entry.miss(np.asarray(measured, np.float64), np.asarray(requested, np.float64)))
    most = 0.5 if entry.circular else 1.0
    return np.where(np.isfinite(away), np.minimum(away, most), most)


def share_of_right_steps(measured_VB: ArrayLike, entry: Property) -> float:
    """Of all steps from one requested value to the next, the share that moves the measured value up.

    For angles a step is right if it goes less than half a circle forwards. 1 is a smooth dial, and one
    without effect has about 0.5.
    """
    values_VB = np.asarray(measured_VB, np.float64)
    step = entry.miss(values_VB[1:], values_VB[:-1])
    known = np.isfinite(step)
    return float((step[known] > 0).mean()) if known.any() else 0.0


def bootstrap(statistic: Callable[[NDArray[np.intp]], float], count: int, rounds: int = 400) -> tuple[float, float]:
    """The 95 % interval by `resample_interval`, with fewer rounds, because a statistic of control takes longer."""
    return resample_interval(statistic, count, rounds)
