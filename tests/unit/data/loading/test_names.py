"""The list of names beside shards."""

from __future__ import annotations

from pathlib import Path

import pytest

from majolica.data.loading.names import read_names
from majolica.errors import UserError
from majolica.eval.facts import load_data
from majolica.train.watch.heldout import read_names_beside


@pytest.mark.parametrize("text", ["", "not json", '"fox"', '{"fox": 1}', "7", "[1, 2]", "\udcff"])
def test_what_is_no_list_of_names_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "names.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    for read in (read_names, lambda home: load_data(home, 8), lambda home: read_names_beside(str(home / "heldout"))):
        with pytest.raises(UserError, match=r"cannot read .*names\.json"):
            read(tmp_path)


def test_names_keep_their_order(tmp_path: Path) -> None:
    (tmp_path / "names.json").write_text('["owl", "fox"]')
    assert read_names(tmp_path) == ["owl", "fox"] == read_names_beside(str(tmp_path / "heldout"))
    assert read_names_beside(str(tmp_path / "away" / "heldout")) == []
