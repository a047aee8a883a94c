"""Tables of local pictures: text is text in every kind of column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from majolica.config.shard import ShardConfig
from majolica.data.folder.listing import rows

KINDS = (pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view())


@pytest.mark.parametrize("coded", [False, True], ids=["plain", "dictionary"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_kind_of_text_column(tmp_path: Path, kind: Any, coded: bool) -> None:
    values = ["ä.png", "café", "größe"]
    raw = [value.encode() if "binary" in str(kind) else value for value in values]
    if coded and "view" in str(kind):
        pytest.skip("a dictionary of views cannot be written")
    arrays = [pa.array([value], kind) for value in raw]
    arrays = [array.dictionary_encode() if coded else array for array in arrays]
    pq.write_table(pa.table(dict(zip(("path", "caption", "size"), arrays, strict=True))), tmp_path / "t.parquet")
    [row] = rows(ShardConfig(source=str(tmp_path / "t.parquet")))
    assert row == {"path": "ä.png", "caption": "café", "meta": {"size": "größe"}}
