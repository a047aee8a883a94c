"""Numbers in words."""

from __future__ import annotations

import math
from itertools import pairwise

from majolica.html.numbers import (
    abbreviate_count,
    aspect_ratio,
    byte_size,
    describe_span,
    duration,
    share,
    short_number,
)


def test_words_for_numbers() -> None:
    spoken = [duration(s).replace("\N{NO-BREAK SPACE}", " ") for s in (0.234, 41, 60, 598, 12000, 838_800)]
    assert spoken == ["0.2 s", "41 s", "1 min", "9 min 58 s", "3 h 20 min", "9 d 17 h"]
    counted = [abbreviate_count(n).replace("\N{NO-BREAK SPACE}", " ") for n in (845, 115_200, 6_123_456, 2.5e9)]
    assert counted == ["845", "115 k", "6.12 M", "2.5 G"]


def test_sizes_and_ratios() -> None:
    sizes = [byte_size(x) for x in (0, 999, 1200, 15_000, 3.2e6, 4.5e12)]
    assert sizes == ["0 B", "999 B", "1.2 kB", "15 kB", "3.2 MB", "4.5 TB"]
    assert [aspect_ratio(x) for x in (1.0, 1.5, 0.5)] == ["1:1", "1.5:1", "1:2"]
    assert [share(1, 3), share(0, 7), share(0, 0)] == ["33.33%", "0.00%", ""]


def test_numbers_beside_an_axis() -> None:
    assert [short_number(x) for x in (0, 0.002, 20000, 1.5e6, 1e-5)] == ["0", "0.002", "20k", "1.5M", "1e-05"]


def test_spans_of_whole_numbers_name_the_first_and_the_last() -> None:
    edges = [-math.inf, 4.7, 5.6, 8 * (1 + 1e-15), 9.5, math.inf]
    said = [describe_span(low, high, "{:g} px".format, whole=True) for low, high in pairwise(edges)]
    assert said == ["up to 4 px", "5 px", "6 px to 7 px", "8 px to 9 px", "10 px or more"]
    assert [describe_span(*ends) for ends in ((-math.inf, 0.5), (0.5, 1), (2e4, math.inf))] == [
        "below 0.5",
        "0.5 to 1",
        "20k or more",
    ]
