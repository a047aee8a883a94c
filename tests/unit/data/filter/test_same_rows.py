"""The same rows in the same order however the work is cut, and whatever files they come in."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from majolica.config.engine import EngineConfig
from majolica.config.filter import (
    DedupConfig,
)
from majolica.data.filter.run import filter_metadata


@pytest.mark.parametrize(
    ("workers", "change"),
    [
        (1, {"threads": 4}),
        (2, {}),
        (1, {"rows_at_once": 10_000, "rows_per_bucket": 10_000, "rows_per_file": 10_000, "threads": 3}),
        (1, {"rows_per_bucket": 110, "rows_per_file": 7}),
    ],
)
def test_same_rows_however_the_work_is_cut(
    workers: int, change: dict[str, int], expected: Any, tmp_path: Path, read: Any
) -> None:
    config, wanted, _ = expected
    cut = replace(config, work=replace(config.work, **change), engine=EngineConfig(workers=workers))
    filter_metadata(cut, tmp_path / "out")
    assert read(tmp_path / "out") == wanted


def test_same_rows_from_other_files_in_another_order(
    expected: Any, tmp_path: Path, rows: Any, write: Any, read: Any
) -> None:
    config, wanted, _ = expected
    table = rows(600)
    random.Random(1).shuffle(table)
    paths = [write(tmp_path / f"b/{9 - i}.parquet", table[i * 100 : i * 100 + 100], 30) for i in range(6)]
    filter_metadata(replace(config, inputs=tuple(map(str, paths))), tmp_path / "out")
    assert read(tmp_path / "out") == wanted


def test_order_does_not_depend_on_the_files_where_urls_may_repeat(
    tmp_path: Path, rows: Any, write: Any, read: Any, small: Any
) -> None:
    table = rows(300)
    first = small(write(tmp_path / "a.parquet", table), dedup=DedupConfig(url=False))
    filter_metadata(first, tmp_path / "one")
    table.reverse()
    filter_metadata(small(write(tmp_path / "b.parquet", table), dedup=DedupConfig(url=False)), tmp_path / "two")
    assert read(tmp_path / "one") == read(tmp_path / "two")
    urls = [row["url"] for row in read(tmp_path / "one")]
    assert len(set(urls)) < len(urls)


def test_many_rows_leave_in_order_from_many_threads(tmp_path: Path, write: Any, rows: Any, small: Any) -> None:
    """More rows than DuckDB's row group, so that its threads share the sorting and the writing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from majolica.data.filter.order import hash_order

    n = 300_000
    pq.write_table(pa.table({"url": [f"http://h/{i}" for i in range(n)], "text": ["t"] * n}), tmp_path / "a.parquet")
    config = small(tmp_path / "a.parquet")
    big = replace(config.work, rows_at_once=10**6, rows_per_bucket=10**6, rows_per_file=10**6, threads=4)
    filter_metadata(replace(config, work=big), tmp_path / "out")
    places = [hash_order(url, 0) for url in pq.read_table(tmp_path / "out/part-00000.parquet")["url"].to_pylist()]
    assert len(places) == n
    assert places == sorted(places)
