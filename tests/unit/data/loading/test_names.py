"""The list of names beside shards."""

from __future__ import annotations

from pathlib import Path

import pytest

from majolica.config.data import DataConfig
from majolica.config.run import RunConfig
from majolica.data.loading.names import read_names
from majolica.errors import UserError
from majolica.eval.run_data import load_run_data
from majolica.train.watch.heldout import read_names_beside


@pytest.mark.parametrize("text", ["", "not json", '"fox"', '{"fox": 1}', "7", "[1, 2]", "\udcff"])
def test_what_is_no_list_of_names_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "names.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    config = RunConfig(data=DataConfig(shards=str(tmp_path / "train")))
    beside = str(tmp_path / "heldout")
    for read in (
        lambda: read_names(tmp_path),
        lambda: load_run_data(config),
        lambda: read_names_beside(beside),
    ):
        with pytest.raises(UserError, match=r"cannot read .*names\.json"):
            read()


def test_names_keep_their_order(tmp_path: Path) -> None:
    (tmp_path / "names.json").write_text('["owl", "fox"]')
    assert read_names(tmp_path) == ["owl", "fox"] == read_names_beside(str(tmp_path / "heldout"))
    assert read_names_beside(str(tmp_path / "away" / "heldout")) == []
