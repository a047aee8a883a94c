"""Local pictures into shards: the same bytes every time, whatever the files are called."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gathered import config, contents, records
from majolica.config.engine import EngineConfig
from majolica.data.folder.gather import gather
from majolica.data.folder.listing import rows

Picture = Callable[..., bytes]


def test_a_folder(folder: Path, picture: Picture) -> None:
    report = gather(config(folder))
    out = folder.parent / "out"
    assert report.pictures == {str(out): 10} and report.shards == {str(out): 3} and report.skipped == {}
    found = records(out)
    order = [1, 4, 7, 2, 5, 8, 0, 3, 6, 9]  # part1, part2, sub/deep
    assert [record.caption for record in found] == [f"number {i}" for i in order]
    assert [record.image for record in found] == [picture(i, 12, 9) for i in order]
    assert found[0].meta["path"] == "part1/1.png" and found[4].meta["key"] == "000010000"
    assert (found[0].meta["width"], found[0].meta["height"]) == (12, 9)
    assert not (out / ".rows").exists()


def test_the_same_bytes_every_time(folder: Path) -> None:
    gather(config(folder))
    first = contents(folder.parent / "out")
    other = replace(config(folder), out=str(folder.parent / "other"), engine=EngineConfig(workers=2))
    gather(other)
    assert contents(folder.parent / "other") == first


def test_rows_do_not_depend_on_the_order_of_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = list(rows(config(folder)))
    real = os.scandir

    class Backwards:
        def __init__(self, path: Any) -> None:
            self.entries = sorted(real(path), key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> Any:
            return iter(self.entries)

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(os, "scandir", Backwards)
    assert list(rows(config(folder))) == expected and len(expected) == 10


def test_odd_names(tmp_path: Path, picture: Picture) -> None:
    names = ["日本.PNG", "a b.v2.png", os.fsdecode(b"bad\xff.png"), "x" * 200 + ".png", "quote'\".png", "-rf.png"]
    (tmp_path / "in").mkdir()
    for i, name in enumerate(names):
        (tmp_path / "in" / name).write_bytes(picture(i, 8, 8))
        (tmp_path / "in" / name).with_suffix(".txt").write_bytes(
            b"\xef\xbb\xbfcaption\x00 " + name[:3].encode("utf-8", "replace")
        )
    gather(config(tmp_path / "in"))
    found = records(tmp_path / "out")
    assert {record.meta["path"] for record in found} == set(names)
    assert all(record.caption.startswith("caption\x00 ") for record in found)
