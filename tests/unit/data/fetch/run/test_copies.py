"""Of pictures that are the same the first stays, and every copy names it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from fetched import members, parquets, statuses, with_copies
from majolica.config.fetch import FetchConfig
from majolica.data.fetch import dedup
from majolica.data.fetch.run import fetch
from majolica.data.store.shards import ShardSet

Table = Callable[..., str]


def test_a_copy_names_a_picture_that_stays(server: Any, table: Table, config: FetchConfig) -> None:
    """Two copies in one shard of a picture in an earlier one: the second names that one too."""
    urls = [server.url(f"photo/{name}") for name in ("0?a", "1", "0?b", "0?c")]
    fetch(replace(config, input=(table(urls),), per_shard=2))
    rows = [row for path in parquets(config.out) for row in pq.read_table(path).to_pylist()]
    assert [row["duplicate_of"] for row in rows] == [None, None, rows[0]["key"], rows[0]["key"]]


def test_copies_go_wherever_they_are_and_the_first_key_stays(server: Any, table: Table, config: FetchConfig) -> None:
    config = replace(config, input=(table(with_copies(server, 45)),))
    totals = fetch(config)
    first: dict[int, str] = {}
    expected = []
    for i in range(45):
        key = f"{i:06d}"
        picture = i if i % 3 else i // 4
        expected.append((key, "duplicate" if picture in first else "success"))
        first.setdefault(picture, key)
    assert statuses(config.out) == expected
    assert sorted({name[:6] for name in members(config.out)}) == sorted(first.values())
    rows = [row for path in parquets(config.out) for row in pq.read_table(path).to_pylist()]
    for i, row in enumerate(rows):
        picture = i if i % 3 else i // 4
        assert row["duplicate_of"] == (first[picture] if row["status"] == "duplicate" else None)
    assert totals.statuses == {"success": len(first), "duplicate": 45 - len(first)}
    assert len(ShardSet(Path(config.out))) == len(first)
    whole = members(config.out)
    fetch(config)  # nothing is left to do, and nothing is done
    assert members(config.out) == whole
    other = replace(config, out=config.out + "-kept", dedup=False)
    fetch(other)
    assert {word for _, word in statuses(other.out)} == {"success"}


def test_counts_are_right_after_a_kill_between_two_files_of_a_shard(
    server: Any, table: Table, config: FetchConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, input=(table([server.url("photo/0?a"), server.url("photo/0?b")]),), per_shard=1)
    with monkeypatch.context() as patched:
        patched.setattr(dedup, "write_atomic", killed)
        with pytest.raises(KeyboardInterrupt):
            fetch(config)
    assert fetch(config).statuses == {"success": 1, "duplicate": 1}


def killed(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("per_shard", [1, 2, 10])
def test_a_copy_with_a_caption_stays_before_one_without(
    per_shard: int, server: Any, table: Table, config: FetchConfig
) -> None:
    """Training leaves out empty captions, so the picture would be lost if the first by key stayed."""
    urls = [server.url(f"photo/{name}") for name in ("0?a", "0?b", "1?a", "0?c", "1?b", "0?d")]
    captions = ["", None, "one", "nought", "", "later"]
    config = replace(config, input=(table(urls, captions),), per_shard=per_shard, empty_captions="keep")
    fetch(config)
    rows = [row for path in parquets(config.out) for row in pq.read_table(path).to_pylist()]
    keys = [row["key"] for row in rows]
    assert [row["status"] for row in rows] == [*["duplicate"] * 2, *["success"] * 2, *["duplicate"] * 2]
    assert [row["duplicate_of"] for row in rows] == [keys[3], keys[3], None, None, keys[2], keys[3]]
    assert sorted({name.partition(".")[0] for name in members(config.out)}) == [keys[2], keys[3]]
    whole = members(config.out)
    fetch(config)
    assert members(config.out) == whole


def test_a_copy_that_comes_later_with_a_caption_is_named_by_all(server: Any, table: Table, config: FetchConfig) -> None:
    """A retry brings it, after another copy has named the one without a caption."""
    urls = [server.url("photo/105?a"), server.url("photo/105?b"), server.url("later")]
    config = replace(config, input=(table(urls, ["", "", "words"]),), per_shard=1, empty_captions="keep")
    fetch(config)
    server.well = True
    fetch(config, retry_failed=True)
    rows = [row for path in parquets(config.out) for row in pq.read_table(path).to_pylist()]
    assert [row["duplicate_of"] for row in rows] == [rows[3]["key"], rows[3]["key"], None, None]
