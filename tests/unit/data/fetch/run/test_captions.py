"""Captions are kept exactly, whatever kind of column they come from; rows without one are not asked for."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fetched import members
from majolica.config.fetch import FetchConfig
from majolica.data.fetch.run import fetch
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError

Table = Callable[..., str]


def test_captions_are_kept_exactly(server: Any, table: Table, config: FetchConfig) -> None:
    captions = ["", "a\0b", " two\n lines\t", "grün 🫖", "x" * 100_000, b"caf\xe9", None]
    rows = table(
        [server.url(f"photo/{i}") for i in range(7)], [c.encode() if isinstance(c, str) else c for c in captions]
    )
    assert fetch(replace(config, input=(rows,), empty_captions="keep")).silent == 2
    found = members(config.out)
    texts = [found[f"{i:06d}.txt"].decode() for i in range(7)]
    assert texts == ["", "a\0b", " two\n lines\t", "grün 🫖", "x" * 100_000, "caf\N{REPLACEMENT CHARACTER}", ""]
    known = [json.loads(found[f"{i:06d}.json"]) for i in range(7)]
    assert [one["caption"] for one in known] == texts
    assert base64.b64decode(known[5]["caption_base64"]) == b"caf\xe9" and "caption_base64" not in known[4]
    shards = ShardSet(Path(config.out), empty_captions="keep")
    assert [shards.caption(i) for i in range(7)] == texts and shards.empty == 2


def test_rows_with_an_empty_caption_are_not_asked_for(server: Any, table: Table, config: FetchConfig) -> None:
    captions = [None, "a cat", "", " \u200b", b"\xff"]
    urls = [server.url(f"photo/{i}") for i in range(5)]
    rows = table(urls, [c.encode() if isinstance(c, str) else c for c in captions])
    config = replace(config, input=(rows,))
    totals = fetch(config)
    assert totals.statuses == {"success": 2, "empty_caption": 3} and totals.silent == 0
    table_of = pq.read_table(Path(config.out) / "00000.parquet").to_pylist()
    assert [row["status"] for row in table_of] == [*["empty_caption", "success"], *["empty_caption"] * 2, "success"]
    assert [row["attempts"] for row in table_of] == [0, 1, 0, 0, 1] and not any(row["retry"] for row in table_of)
    with pytest.raises(UserError, match="was begun with empty_captions skip"):
        fetch(replace(config, empty_captions="keep"))
    path = Path(config.out) / "plan.json"
    known = json.loads(path.read_text())
    del known["empty_captions"]  # as an earlier version left it, which kept them all
    path.write_text(json.dumps(known))
    with pytest.raises(UserError, match="was begun with empty_captions keep"):
        fetch(config)
    fetch(replace(config, empty_captions="keep"))


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), None], ids=str)
def test_captions_of_every_kind_of_column(server: Any, tmp_path: Path, config: FetchConfig, kind: Any) -> None:
    url, caption = server.url("photo/0"), "café"
    if kind is None:
        columns = {"url": pa.array([url]).dictionary_encode(), "caption": pa.array([caption]).dictionary_encode()}
    else:
        raw = [text.encode() if "binary" in str(kind) else text for text in (url, caption)]
        columns = {name: pa.array([value], kind) for name, value in zip(("url", "caption"), raw, strict=True)}
    pq.write_table(pa.table({**columns, "more": columns["caption"]}), tmp_path / "kinds.parquet")
    fetch(replace(config, input=(str(tmp_path / "kinds.parquet"),)))
    found = members(config.out)
    [known] = [json.loads(data) for name, data in found.items() if name.endswith(".json")]
    assert (known["url"], known["caption"], known["more"]) == (url, caption, caption)
