"""Histograms of what was measured, and a map of sizes.

Values are counted here, and the HTML kit draws the counts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from majolica.html.axes import Axis
from majolica.html.histogram import Bars, density_map, histogram

_CELLS = 48
"""Columns and rows of the map of sizes."""


def value_histogram(
    values: NDArray[np.float64], title: str, label: Callable[[float], str], bins: int = 36, whole: bool = False
) -> str:
    """A histogram of `values` above zero, over a logarithmic axis with ticks as `label` says.

    `whole` says that the values are whole numbers.
    """
    values = values[values > 0]
    if not len(values):
        return ""
    axis = _axis_of(values)
    counts = np.histogram(np.log(values), bins, (np.log(axis.low), np.log(axis.high)))[0]
    middle = float(np.median(values))
    return histogram(axis, [Bars(counts.tolist())], title, label, f"median {label(middle)}", middle, whole)


def size_map(width: NDArray[np.float64], height: NDArray[np.float64]) -> str:
    """A map of how many pictures are so wide and so high; square ones lie on the diagonal."""
    if not len(width):
        return ""
    axis = _axis_of(np.concatenate([width, height]))
    span = (np.log(axis.low), np.log(axis.high))
    counts = np.histogram2d(np.log(width), np.log(height), _CELLS, (span, span))[0]
    found = [(int(column), int(row), int(counts[column, row])) for column, row in np.argwhere(counts)]
    return density_map(axis, _CELLS, found, "Width and height", "px", ("width", "height"))


def _axis_of(values: NDArray[np.float64]) -> Axis:
    """A logarithmic axis that holds all `values`, even where all of them are nearly the same."""
    low, high = float(values.min()), float(values.max())
    return Axis(low / 1.5, high * 1.5, True) if high / low < 1.05 else Axis(low, high * 1.0001, True)
