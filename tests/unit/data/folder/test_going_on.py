"""The same command again: what is finished is kept, what changed is made again, another set is refused."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gathered import config, contents, records
from majolica.config.shard import ShardConfig
from majolica.data.folder import gather as module
from majolica.data.folder import spool
from majolica.data.folder.gather import gather
from majolica.errors import UserError

Picture = Callable[..., bytes]


def test_interrupted_and_continued(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is finished is kept, the rest is made, and the end is the same as in one go."""
    gather(replace(config(folder), out=str(folder.parent / "whole")))
    real = module._shard

    def dying(task: spool.ShardTask, config: ShardConfig) -> None:
        if task.number == 1:
            raise KeyboardInterrupt
        real(task, config)

    monkeypatch.setattr(module, "_shard", dying)
    with pytest.raises(KeyboardInterrupt):
        gather(config(folder))
    times = {path: path.stat().st_mtime_ns for path in (folder.parent / "out").glob("*.tar")}
    assert len(times) == 1
    monkeypatch.undo()
    gather(config(folder))
    assert contents(folder.parent / "out") == contents(folder.parent / "whole")
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())


def test_half_a_tar_of_a_killed_process_is_removed(folder: Path, tmp_path: Path) -> None:
    options = config(folder, heldout=0.5)
    gather(options)
    for split in ("train", "heldout"):
        (tmp_path / "out" / split / ".00007.tar.0123abcd.tmp").write_bytes(b"half")
    gather(options)
    assert not list((tmp_path / "out").rglob("*.tmp"))


def test_a_full_disk_leaves_whole_shards(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills while the second tar is written: the first stays, and the same command goes on from there."""
    gather(replace(config(folder), out=str(folder.parent / "whole")))

    def add(tar: Any, name: str, data: bytes) -> None:
        if name.startswith("00001000"):
            raise OSError(errno.ENOSPC, "No space left on device")
        original(tar, name, data)

    from majolica.data.store import pack

    original = pack._add
    monkeypatch.setattr(pack, "_add", add)
    with pytest.raises(UserError, match=r"cannot write .*00001\.tar: No space left on device"):
        gather(config(folder))
    out = folder.parent / "out"
    assert {p.name for p in out.iterdir()} == {"00000.tar", "00000.mjidx", "00000_stats.json", "dataset.json"}
    monkeypatch.undo()
    gather(config(folder))
    assert contents(out) == contents(folder.parent / "whole")


def test_what_changed_is_made_again(folder: Path, picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    gather(config(folder))
    (folder / "part2/2.txt").write_text("another")
    made: list[Path] = []
    real = module.write_tar
    monkeypatch.setattr(module, "write_tar", lambda path, pairs: made.append(path.name) or real(path, pairs))
    gather(config(folder))
    assert made == ["00000.tar"]
    assert records(folder.parent / "out")[3].caption == "another"
    (folder.parent / "out/00002.tar").unlink()
    gather(config(folder))
    assert made == ["00000.tar", "00002.tar"]
    (folder / "a.png").write_bytes(picture(77, 8, 8))
    (folder / "a.txt").write_text("first of all")
    gather(config(folder))  # everything moves by one
    assert [record.caption for record in records(folder.parent / "out")][:2] == ["first of all", "number 1"]
    for path in folder.rglob("*[0-7].png"):
        path.unlink()
    with pytest.raises(UserError, match=r"holds tars that the source no longer gives \(00001.tar, 00002.tar\)"):
        gather(config(folder))


def test_a_picture_that_could_not_be_read_is_looked_at_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A right or a disk that is mended does not change the time of a file."""
    first, whole = next(iter(sorted(folder.rglob("*.png")))), Path.read_bytes

    def refuse(self: Path) -> bytes:
        if self == first:
            raise PermissionError(13, "Permission denied")
        return whole(self)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        assert sum(gather(config(folder)).skipped.values()) == 1
    report = gather(config(folder))
    assert not report.skipped and sum(report.pictures.values()) == len(list(folder.rglob("*.png")))


def test_another_set_in_the_same_place(folder: Path, write: Callable[..., Path]) -> None:
    gather(config(folder))
    with pytest.raises(UserError, match=r"other options .*choose another --out"):
        gather(config(folder, quality=80))
    strange = write(2)
    with pytest.raises(UserError, match="tars of some other data set"):
        gather(replace(config(folder), out=str(strange)))
