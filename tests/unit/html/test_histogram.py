"""Every value that is counted has a bar or a cell that says so."""

from __future__ import annotations

import re

from majolica.html.axes import Axis
from majolica.html.histogram import Bars, density_map, histogram


def test_every_bin_with_values_has_a_bar() -> None:
    svg = histogram(Axis(1, 100, log=True), [Bars([3, 0]), Bars([1, 2_000])], "title", below="below", mark=10)
    assert re.findall("<title>(.*?)</title>", svg) == ["1 to 10: 3", "1 to 10: 1", "10 to 100: 2,000"]
    assert svg.count('class="mark"') == 1 and "below</text>" in svg and ">100<" not in svg.split("<rect")[0]
    assert "<rect" not in histogram(Axis(0, 1), [Bars([0, 0])], "title")


def test_bars_before_and_after_are_named_and_scaled_each_by_itself() -> None:
    svg = histogram(Axis(0, 2), [Bars([8, 4], "before", pale=True), Bars([1, 1], "after")], "title")
    assert re.findall("<title>(.*?)</title>", svg) == [
        "0 to 1: 8 before",
        "1 to 2: 4 before",
        "0 to 1: 1 after",
        "1 to 2: 1 after",
    ]
    tall = [float(height) for height in re.findall(r'height="([\d.]+)" rx', svg)]
    assert tall[0] == tall[2] == tall[3] == 2 * tall[1]


def test_a_map_counts_what_lies_in_each_cell() -> None:
    svg = density_map(Axis(10, 1000, log=True), 2, [(0, 1, 5), (1, 1, 1)], "title", "px", ("width", "height"))
    assert re.findall("<title>(.*?)</title>", svg) == ["about 32 x 316 px: 5", "about 316 x 316 px: 1"]
    assert "<rect" not in density_map(Axis(1, 2), 2, [], "title", "px", ("width", "height"))
