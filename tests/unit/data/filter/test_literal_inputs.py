"""A path is a path and a column is the column of that name, whatever DuckDB makes of them by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from majolica.config.filter import DomainRule, RulesConfig
from majolica.data.filter.run import filter_metadata
from majolica.data.filter.storage import find_inputs
from majolica.errors import UserError


def write_table(path: Path, **columns: Any) -> Path:
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


@pytest.mark.parametrize("name", ["a[1].parquet", "a*.parquet", "a?.parquet"])
def test_a_name_with_the_signs_of_a_pattern_is_that_file(name: str, tmp_path: Path, read: Any, small: Any) -> None:
    write_table(tmp_path / "in/a1.parquet", url=["http://plain/1"], text=["t"])
    path = write_table(tmp_path / "in" / name, url=["http://signs/1"], text=["t"])
    assert [file.path for file in find_inputs([str(path)])] == [str(path)]
    filter_metadata(small(tmp_path / "in"), tmp_path / "out[1]")
    assert sorted(row["url"] for row in read(tmp_path / "out[1]")) == ["http://plain/1", "http://signs/1"]


@pytest.mark.parametrize("bad", ["", "\udcff"], ids=["whole", "no utf8"])
def test_names_that_differ_in_capitals_alone_are_told_apart(bad: str, tmp_path: Path, read: Any, small: Any) -> None:
    texts = [value.encode("utf-8", "surrogateescape") for value in ("right", f"x{bad}")]
    raw = pa.array(texts, pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    names = {"URL": ["http://wrong/1"] * 2, "url": ["http://right/1", "http://right/2"], "TEXT": ["wrong"] * 2}
    path = write_table(
        tmp_path / "a.parquet", **names, text=text, WIDTH=[1] * 2, width=[600] * 2, file_row_number=[7] * 2
    )
    filter_metadata(small(path), tmp_path / "out")
    row = next(row for row in read(tmp_path / "out") if row["url"] == "http://right/1")
    assert (row["text"], row["width"]) == ("right", 600)


def test_a_name_that_stands_for_two_columns_is_refused(tmp_path: Path, small: Any) -> None:
    arrays = [pa.array([value]) for value in ("http://h/1", "first", "second")]
    pq.write_table(pa.Table.from_arrays(arrays, names=["url", "text", "text"]), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"a.parquet has 2 columns called text: rename all but the one to read"):
        filter_metadata(small(tmp_path / "a.parquet"), tmp_path / "out")


def test_both_columns_of_a_list_are_read_whatever_their_capitals(tmp_path: Path, read: Any, small: Any) -> None:
    path = write_table(tmp_path / "a.parquet", url=[f"http://h/{i}" for i in range(3)], text=["t"] * 3)
    listed = write_table(tmp_path / "o.parquet", URL=["http://h/0"], url=["http://h/1"])
    rules = RulesConfig(domain=DomainRule(opt_out_files=(str(listed),)))
    filter_metadata(small(path, rules=rules), tmp_path / "out")
    assert [row["url"] for row in read(tmp_path / "out")] == ["http://h/2"]
