"""Axes have round numbers, and charts take whatever a log holds."""

from __future__ import annotations

import re

import pytest

from majolica.html.axes import Axis, log_ticks, ticks
from majolica.html.charts import Points, charts, line_chart, scatter


def test_ticks_are_round_and_inside() -> None:
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(-3, 42) == [0, 10, 20, 30, 40]
    assert log_ticks(0.9, 120) == [1, 2, 5, 10, 20, 50, 100]
    assert log_ticks(1e-6, 10) == pytest.approx([10.0**k for k in range(-6, 2)])
    assert log_ticks(64, 90) == [70, 80, 90]  # a short range gets even steps
    assert all(0 < len(log_ticks(1.0, 10.0**k)) <= 8 for k in range(1, 30))


@pytest.mark.parametrize("axis", [Axis(-3, 5), Axis(0.01, 700, log=True)])
def test_an_axis_runs_from_end_to_end(axis: Axis) -> None:
    assert [axis.share(axis.low), axis.share(axis.high)] == [0, 1]
    for value in (axis.low, 0.3, axis.high):
        assert axis.value(axis.share(value)) == pytest.approx(value)
    assert all(0 <= axis.share(tick) <= 1 for tick in axis.ticks())


@pytest.mark.parametrize("log", [False, True])
def test_line_chart_of_anything(log: bool) -> None:
    assert line_chart(Points([1], [1]), "t", "x", log) == ""
    assert "NaN" not in line_chart(Points([1, 2, 3], [float("nan"), 2, 2]), "t", "x", log)
    assert "<svg" in line_chart(Points([1, 2, 3, 4], [1, 0, -1, 3]), "t", "x", log)
    long = line_chart(Points(list(range(5000)), [1 + 1 / (i + 1) for i in range(5000)]), "t", "x", log)
    assert len(long) < 20_000
    numbers = [float(y) for y in re.findall(r"[ML][\d.-]+ ([\d.-]+)", long)]
    assert min(numbers) >= 0 and max(numbers) <= 240


def test_scatter_keeps_points_on_the_diagonal() -> None:
    svg = scatter(Points([0, 1], [0, 1]), "t", "x", "y")
    ends = re.search(r'diagonal" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)', svg)
    dots = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', svg)
    assert ends
    x0, y0, x1, y1 = map(float, ends.groups())
    for x, y in dots:
        assert float(y) == pytest.approx(y0 + (float(x) - x0) * (y1 - y0) / (x1 - x0), abs=0.2)


def test_no_charts_are_nothing() -> None:
    assert charts(["", ""]) == ""
    assert charts(["<svg></svg>", ""]) == '<div class="charts"><svg></svg></div>'
