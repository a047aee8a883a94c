"""A path is a path and a column is the column of that name, whatever DuckDB makes of them by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from majolica.config.filter import DomainRule, RulesConfig
from majolica.data.filter.run import filter_metadata


def write_table(path: Path, **columns: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def test_folders_named_like_columns_do_not_replace_them(tmp_path: Path, read: Any, small: Any) -> None:
    folder = tmp_path / "language=fr/width=9/h=1/uid=2"
    path = write_table(folder / "a.parquet", url=["http://h/1"], text=["t"], language=["en"], width=[640])
    filter_metadata(small(path), folder / "out")
    (row,) = read(folder / "out")
    assert (row["url"], row["language"], row["width"]) == ("http://h/1", "en", 640)


def test_folders_of_an_opt_out_list_do_not_replace_its_columns(tmp_path: Path, read: Any, small: Any) -> None:
    path = write_table(tmp_path / "a.parquet", url=["http://h/1", "http://h/2"], text=["t", "t"])
    listed = write_table(tmp_path / "url=x/o.parquet", url=["http://h/1"])
    rules = RulesConfig(domain=DomainRule(opt_out_files=(str(listed),)))
    filter_metadata(small(path, rules=rules), tmp_path / "out")
    assert [row["url"] for row in read(tmp_path / "out")] == ["http://h/2"]
