"""A run replaces and reads no file in its output folder that it should not: inputs and strangers stay as they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from majolica.config.filter import SampleConfig
from majolica.data.filter import run as run_module
from majolica.data.filter.run import filter_metadata
from majolica.data.filter.storage import find_inputs
from majolica.data.filter.work import written_files
from majolica.errors import UserError


def write_table(path: Path, rows: int = 3) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"url": [f"http://h/{i}" for i in range(rows)], "text": ["t"] * rows}), path)
    return path.read_bytes()


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("given", ["folder", "file", "link"])
def test_inputs_in_the_output_folder_are_refused(given: str, restart: bool, tmp_path: Path, small: Any) -> None:
    data = write_table(tmp_path / "in/part-00000.parquet")
    os.symlink(tmp_path / "in", tmp_path / "link")
    inputs = {"folder": "in", "file": "in/part-00000.parquet", "link": "link/*.parquet"}[given]
    with pytest.raises(UserError, match=r"part-00000.parquet lies in --out, .*: choose another --out") as told:
        filter_metadata(small(tmp_path / inputs), tmp_path / "in", restart)
    assert "\n" not in str(told.value)
    assert (tmp_path / "in/part-00000.parquet").read_bytes() == data


@pytest.mark.parametrize("restart", [False, True])
def test_files_that_no_run_wrote_are_refused(restart: bool, tmp_path: Path, small: Any) -> None:
    write_table(tmp_path / "a.parquet")
    data = write_table(tmp_path / "out/part-00007.parquet", 2)
    with pytest.raises(UserError, match=r"out holds part-00007.parquet, which is not in the list of any run"):
        filter_metadata(small(tmp_path / "a.parquet"), tmp_path / "out", restart)
    assert (tmp_path / "out/part-00007.parquet").read_bytes() == data


def test_files_that_appear_while_a_run_works_are_refused(
    tmp_path: Path, small: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(tmp_path / "a.parquet")
    make_funnel = run_module.make_funnel

    def appear(*args: Any) -> Any:
        write_table(tmp_path / "out/part-00000.parquet", 2)
        return make_funnel(*args)

    monkeypatch.setattr(run_module, "make_funnel", appear)
    with pytest.raises(UserError, match=r"holds part-00000.parquet, which is not in the list"):
        filter_metadata(small(tmp_path / "a.parquet"), tmp_path / "out")
    assert pq.read_metadata(tmp_path / "out/part-00000.parquet").num_rows == 2


def test_an_output_inside_of_the_input_folder_is_no_input(tmp_path: Path, small: Any, read: Any) -> None:
    write_table(tmp_path / "in/a.parquet", 5)
    out = tmp_path / "in/out"
    config = small(tmp_path / "in")
    assert filter_metadata(config, out)["rows_in"] == 5
    assert written_files(out) == {"part-00000.parquet"}
    assert filter_metadata(config, out)["rows_in"] == 5  # the finished run is recognised
    other = small(tmp_path / "in", sample=SampleConfig(budget=2))
    assert filter_metadata(other, out, restart=True)["rows_in"] == 5
    assert len(read(out)) == 2
    with pytest.raises(UserError, match="is what an earlier run wrote to --out"):
        find_inputs([str(out)], out, written_files(out))


def test_a_broken_list_of_files_lists_nothing(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"files": null}', '{"files": {"../part-1.parquet": 1, "other.parquet": 1}}'):
        (tmp_path / "funnel.json").write_text(text)
        assert written_files(tmp_path) == set()
