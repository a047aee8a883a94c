"""Histograms: every value is in a bar, and the axis has words."""

from __future__ import annotations

import re

import numpy as np
import pytest

from majolica.data.inspect.figures import histogram, size_map
from majolica.data.inspect.page import ratio, size


@pytest.mark.parametrize("values", [[1.0], [5.0, 5.0, 5.0], [1, 10, 1e9], list(range(1, 2000)), [0.2, 0.5, 7.0]])
def test_every_value_is_counted(values: list[float]) -> None:
    svg = histogram(np.array(values, np.float64), "Title", lambda x: f"{x:,.3g}")
    counts = [int(text.replace(",", "")) for text in re.findall(r": ([\d,]+)</title>", svg)]
    assert sum(counts) == len(values)
    assert "nan" not in svg and 1 <= svg.count('text-anchor="middle"') <= 9


def test_every_size_is_on_the_map() -> None:
    width, height = np.array([100.0, 100, 640, 1]), np.array([50.0, 50, 480, 1])
    svg = size_map(width, height)
    assert sum(int(text) for text in re.findall(r"px: (\d+)</title>", svg)) == 4


def test_nothing_gives_nothing() -> None:
    assert histogram(np.zeros(3), "Title", str) == "" == size_map(np.array([]), np.array([]))


def test_words() -> None:
    assert [size(x) for x in (0, 999, 1200, 15_000, 3.2e6, 4.5e12)] == [
        "0 B",
        "999 B",
        "1.2 kB",
        "15 kB",
        "3.2 MB",
        "4.5 TB",
    ]
    assert [ratio(x) for x in (1.0, 1.5, 0.5)] == ["1:1", "1.5:1", "1:2"]
