"""The Frechet distance extrapolated to infinitely many paintings."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from majolica.metrics.features import to_double
from majolica.metrics.frechet import frechet_to
from majolica.metrics.moments import Moments


@dataclass(frozen=True)
class Extrapolation:
    """A line through Frechet distances over 1 / n.

    `value` is the distance at infinitely many paintings and `slope` what it rises by per 1 / n;
    `distances` were measured on samples of `sizes`. `deviation` is the standard error of `value` by the
    scatter of the distances around the line. It leaves out that the samples overlap and that the
    line itself may be bent.
    """

    value: float
    slope: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]
    deviation: float


def frechet_at_infinity(reference: Moments, painted_BD: Tensor, points: int = 15, seed: int = 0) -> Extrapolation:
    """Extrapolate the Frechet distance of paintings from the reference to infinitely many paintings.

    The distance of n paintings is about that of all that could be painted, plus a bias in proportion
    to 1 / n (Chong and Forsyth, "Effectively Unbiased FID and Inception Score and where to find them",
    arXiv 1911.07023). It is measured at `points` sizes, evenly from a tenth of the paintings, though at most
    5,000, to all, on paintings drawn without replacement, and the line is fitted by least squares. The
    bias bends away from the line below as many paintings as there are dimensions, so no size is
    smaller, unless that leaves less than the upper half. The bias of the reference remains.

    The draws depend on `seed` alone. Raises ValueError if there are fewer than 4 paintings or 3 points,
    or if the dimensions differ.
    """
    if points < 3:
        raise ValueError("the extrapolation of a Frechet distance needs at least 3 points")
    painted_BD = to_double(painted_BD, least=4)
    sizes = choose_sizes(len(painted_BD), painted_BD.shape[1], points)
    distance = frechet_to(reference)
    generator = torch.Generator().manual_seed(seed)
    distances = []
    for size in sizes:
        chosen_B = torch.randperm(len(painted_BD), generator=generator)[:size].to(painted_BD.device)
        distances.append(distance(Moments.of(painted_BD[chosen_B])))
    value, slope, deviation = fit_line([1 / size for size in sizes], distances)
    return Extrapolation(value, slope, sizes, tuple(distances), deviation)


def choose_sizes(count: int, dimensions: int, points: int) -> tuple[int, ...]:
    """Return the sizes of the samples, in ascending order; the last is `count`."""
    smallest = max(2, min(5000, count // 10), min(dimensions + 1, count // 2))
    return tuple(int(size) for size in np.linspace(smallest, count, points))


def fit_line(x: list[float], y: list[float]) -> tuple[float, float, float]:
    """Fit y = value + slope x by least squares; returns value, slope and the standard error of the value."""
    across, heights = np.asarray(x), np.asarray(y)
    centred = across - across.mean()
    spread = float((centred**2).sum())
    slope = float((centred * heights).sum()) / spread
    value = float(heights.mean() - slope * across.mean())
    scatter = float(((heights - value - slope * across) ** 2).sum()) / (len(x) - 2)
    deviation = math.sqrt(scatter * (1 / len(x) + float(across.mean()) ** 2 / spread))
    return value, slope, deviation
