"""A folder is known at once after the first look, and what changes in it is noticed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from majolica.data.store import catalogue
from majolica.data.store.catalogue import NAME
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet

Write = Callable[..., Path]
Picture = Callable[..., bytes]


def test_a_second_look_opens_no_index(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(95)
    first = ShardSet(folder)
    monkeypatch.setattr(catalogue, "open_index", lambda tar: pytest.fail("it is known"))
    second = ShardSet(folder)
    assert second.manifest == first.manifest and [tar.count for tar in second.tars] == [40, 40, 15]


def test_a_changed_new_or_removed_tar_is_noticed(write: Write, picture: Picture) -> None:
    folder = write(95)
    ShardSet(folder)
    records = [Record(picture(1, 8, 8), "png", "another", {}) for _ in range(3)]
    write_shards(folder.parent / "other", records)
    os.replace(folder.parent / "other" / "00000.tar", folder / "00001.tar")
    shards = ShardSet(folder)
    assert len(shards) == 58 and shards.read(40).caption == "another"
    (folder / "00000.tar").unlink()
    assert [tar.name for tar in ShardSet(folder).tars] == ["00001.tar", "00002.tar"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 9, "tars": []}', b'{"format": 1, "tars": [[1]]}'])
def test_a_damaged_catalogue_is_made_again(write: Write, content: bytes) -> None:
    folder = write(10)
    ShardSet(folder)
    (folder / NAME).write_bytes(content)
    assert len(ShardSet(folder)) == 10
    assert b"00000.tar" in (folder / NAME).read_bytes()
