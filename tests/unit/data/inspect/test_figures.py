"""Histograms: every value is in a bar, and the axis has words."""

from __future__ import annotations

import re

import numpy as np
import pytest

from majolica.data.inspect.figures import size_map, value_histogram


@pytest.mark.parametrize("values", [[1.0], [5.0, 5.0, 5.0], [1, 10, 1e9], list(range(1, 2000)), [0.2, 0.5, 7.0]])
def test_every_value_is_counted(values: list[float]) -> None:
    svg = value_histogram(np.array(values, np.float64), "Title", lambda x: f"{x:,.3g}")
    counts = [int(text.replace(",", "")) for text in re.findall(r": ([\d,]+)</title>", svg)]
    assert sum(counts) == len(values)
    assert "nan" not in svg and 1 <= svg.count('text-anchor="middle"') <= 9


def test_whole_numbers_have_whole_marks_and_bars() -> None:
    """A mark at 1.5 words was labelled 2, and the bar of one word said 1 to 1."""
    svg = value_histogram(np.array([1.0, 1, 2, 3, 5]), "Words", lambda x: f"{x:,.0f}", whole=True)
    assert re.findall("<title>(.*?): ", svg) == ["1", "2", "3", "5"]
    marks = re.findall(r'text-anchor="middle">(\d+)<', svg)
    assert len(marks) == len(set(marks)) and "1" in marks


def test_every_size_is_on_the_map() -> None:
    width, height = np.array([100.0, 100, 640, 1]), np.array([50.0, 50, 480, 1])
    svg = size_map(width, height)
    assert sum(int(text) for text in re.findall(r"px: (\d+)</title>", svg)) == 4


def test_nothing_gives_nothing() -> None:
    assert value_histogram(np.zeros(3), "Title", str) == "" == size_map(np.array([]), np.array([]))
