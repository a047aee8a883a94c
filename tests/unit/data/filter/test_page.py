"""funnel.html shows all that funnel.json holds, and is safe with any name."""

from __future__ import annotations

import re
from typing import Any

import duckdb
import pytest

from majolica.data.filter.funnel import merge_histograms
from majolica.data.filter.histogram import BINS, UNKNOWN, add, count_bins
from majolica.data.filter.page import render_funnel
from pages import read_page

EVIL = "<script>alert(1)</script>\udcff"


def found(rows: int) -> dict[str, Any]:
    """What funnel.json may hold: `rows` rows, of which a quarter goes."""
    gone = rows // 4
    step = {"rule": EVIL, "why": "a side below 9 px", "before": rows, "gone": gone, "after": rows - gone}
    values = {"title": "Shorter side", "unit": "px", "whole": True, "log": True, "edges": [32, 64, 128]}
    return {
        "rows_in": rows,
        "rows_out": rows - gone,
        "steps": [step],
        "unusable_values": {"width": 3},
        "warnings": [f"{EVIL}: no column for width"],
        "histograms": {"side": values | {"before": [rows, 0, 0], "after": [rows - gone, 0, 0]}},
        "files": {"part-00000.parquet": rows - gone},
        "inputs": [{"path": f"/data/{EVIL}.parquet", "rows": rows, "version": "1"}],
        "hash": {"order": "md5", "seed": 7},
        "config": {"recipe": EVIL, "rules": {"url": EVIL}},
    }


def test_the_page_shows_every_number_and_nothing_becomes_markup() -> None:
    page = render_funnel(found(400))
    assert read_page(page).tags["svg"] == 1
    assert "<script" not in page and "&lt;script&gt;alert(1)&lt;/script&gt;\\udcff" in page
    for words in (
        "300 of 400 rows stay (75.00%), from 1 file.",
        "a side below 9 px",
        '<td class="n">100</td><td class="n">25.00%</td><td class="n">300</td>',
        '<i style="width:75.00%"></i><u style="width:25.00%"></u>',
        "width: 3 values make no sense",
        "no column for width",
        "up to 63 px: 400 read",
        "up to 63 px: 300 that stay",
        "unknown: 0.00% before, 0.00% after",
        "order(url) = md5, seed 7",
        "part-00000.parquet",
    ):
        assert words in page, words


def test_no_rows_are_still_a_page() -> None:
    page = render_funnel(found(0) | {"steps": [], "warnings": [], "unusable_values": {}})
    read_page(page)
    assert "0 of 0 rows stay" in page and "Why rows went" not in page


@pytest.mark.parametrize(
    ("name", "tips"),
    [
        ("side", ["up to 36 px", "37 px to 42 px", "43 px to 48 px", "7,132 px or more"]),
        ("chars", ["up to 4", "5", "6", "3,445 or more"]),
        ("aspect", ["below 1.05", "1.05 to 1.11", "1.11 to 1.17", "7.59 or more"]),
        ("similarity", ["below 0.11", "0.11 to 0.12", "0.12 to 0.13", "0.49 or more"]),
    ],
)
def test_the_bars_say_which_values_they_count_as_a_reader_expects_them(name: str, tips: list[str]) -> None:
    """Not as bounds of bins of logarithms, such as 36.7583."""
    counted = add([{name: [1] * (BINS + 1)}])
    values = merge_histograms([{"histograms": counted}], [{"histograms": counted}])[name]
    page = render_funnel(found(400) | {"histograms": {name: values}})
    said = re.findall("<title>(.*?): 1 read</title>", page)
    assert len(said) == BINS and [*said[:3], said[-1]] == tips


def test_a_picture_with_one_known_side_has_no_known_proportions() -> None:
    columns = "5 AS chars, 0.5 AS similarity, 0.5 AS punsafe, 0.5 AS pwatermark, 5.0 AS aesthetic"
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE rows AS SELECT 100 AS width, NULL::INTEGER AS height, {columns}")
        found = count_bins(connection, "rows")
    assert found["aspect"][UNKNOWN] == found["side"][UNKNOWN] == 1
