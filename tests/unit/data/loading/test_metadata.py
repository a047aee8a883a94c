"""Training leaves the metadata alone, except where captions stand in them; evaluation reads them."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loaded import read
from majolica.data.loading.split import load_split
from majolica.data.store import caption_text
from majolica.data.store.shards import ShardSet
from tars import Members, tar

Write = Callable[..., Path]
Picture = Callable[..., bytes]


def test_training_parses_no_metadata_and_evaluation_has_it(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(30)
    ShardSet(folder).close()  # the scan for the index is over before the parses are counted
    parsed: list[bytes] = []

    def loads(data: bytes) -> Any:
        parsed.append(data)
        return json.loads(data)

    monkeypatch.setattr(caption_text, "json", SimpleNamespace(loads=loads))
    assert len(read(folder, 5)) == 60 and parsed == []
    assert [meta["label"] for meta in load_split(folder)[2]] == list(range(30))
    assert len(parsed) == 30  # a parse in training would have been counted too


def test_training_reads_no_byte_of_metadata(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(30)
    with tarfile.open(folder / "00000.tar") as tar:
        places = {member.offset_data for member in tar.getmembers() if member.name.endswith(".json")}
    seen: list[int] = []
    pread = os.pread

    def watch(handle: int, size: int, offset: int) -> bytes:
        seen.append(offset)
        return pread(handle, size, offset)

    monkeypatch.setattr(os, "pread", watch)
    assert len(read(folder, 5)) == 60 and len(seen) >= 120 and not places & set(seen)
    load_split(folder)
    assert len(places) == 30 and places <= set(seen)


def test_training_finds_captions_that_stand_in_the_metadata(tmp_path: Path, picture: Picture) -> None:
    folder = tmp_path / "in-json"
    members: Members = []
    for i in range(8):
        caption = json.dumps({"caption": f"number {i}"}).encode()
        members += [(f"{i:05d}.png", picture(i, 8, 8)), (f"{i:05d}.json", caption)]
    tar(folder / "00000.tar", members)
    for _, caption, number in read(folder, 2, batch=8).values():
        assert caption == f"number {number}"
