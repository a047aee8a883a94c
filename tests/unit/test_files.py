"""Files are the old one or the whole new one."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import pytest

import majolica
from majolica.errors import UserError
from majolica.files import (
    check_folder_writable,
    check_writable,
    publish_folder,
    sweep_unfinished,
    whole_file,
    write_atomic,
)


def test_writes_bytes_and_text_and_makes_folders(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a" / "b.txt", "größe")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "größe".encode()
    write_atomic(tmp_path / "a" / "b.txt", b"new")
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"new"
    assert os.listdir(tmp_path / "a") == ["b.txt"]


def test_what_a_killed_writer_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    with whole_file(tmp_path / "00001.tar"):
        [left] = tmp_path.iterdir()
    left.write_text("half")  # as a process that is killed while it writes leaves it
    others = {"00001.tar", ".00001.tar.tmp", ".00001.tar.backup.tmp", ".00001.mjidx.0123abcd.tmp", "a.tar.0123abcd.tmp"}
    for name in others:
        (tmp_path / name).write_text("whole")
    sweep_unfinished(tmp_path, "*.tar", "log.jsonl")
    assert set(os.listdir(tmp_path)) == others
    sweep_unfinished(tmp_path / "none", "*.tar")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "b.txt"
    write_atomic(path, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync", full) if step == "fsync" else (Path, "replace", full)))
    with pytest.raises(UserError, match=r"cannot write .*b\.txt: No space left on device"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["b.txt"]


def test_the_content_is_flushed_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(Path, "replace", lambda a, b: (calls.append("replace"), replace(a, b))[1])
    write_atomic(tmp_path / "b.txt", "new")
    assert calls == ["fsync", "replace", "fsync"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write_atomic(tmp_path / "file" / "b.txt", "new")


REFUSED = ("file/b.png", "/proc/b.png", "/dev/full/b.png")
"""Where nobody can write, root included."""


@pytest.mark.parametrize("place", [*REFUSED, "folder", "/dev/full", "link/b.png"])
def test_a_file_that_cannot_be_written_is_known_beforehand(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"cannot write .*(b\.png|folder|full)"):
        check_writable(tmp_path / place)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder", "link"]


@pytest.mark.parametrize("place", [*REFUSED, "file"])
def test_a_folder_that_cannot_be_written_is_known_beforehand(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write into"):
        check_folder_writable(tmp_path / place)


def test_what_can_be_written_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("old.png").write_text("old")
    for path in (Path("old.png"), Path("new.png"), tmp_path / "a" / "b" / "c.png"):
        check_writable(path)
        check_folder_writable(path.parent)
    assert os.listdir(tmp_path) == ["old.png"]
    assert Path("old.png").read_text() == "old"


def test_a_full_or_read_only_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(UserError, match=r"cannot write .*: Read-only file system"):
        check_writable(tmp_path / "a.png")


def test_the_longest_names_can_be_written(tmp_path: Path) -> None:
    for name in ("a" * 255, "狐" * 85):
        write_atomic(tmp_path / name, "x")
        assert (tmp_path / name).read_text() == "x"


def test_advice_stands_at_the_end_of_the_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match=r"b: .+; free some room$"),
        whole_file(tmp_path / "file" / "b", "free some room"),
    ):
        pass


def test_a_file_of_a_cache_is_whole_but_not_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: pytest.fail("flushed"))
    with whole_file(tmp_path / "b", flush=False) as file:
        file.write(b"new")
        assert not (tmp_path / "b").exists()
    assert os.listdir(tmp_path) == ["b"] and (tmp_path / "b").read_bytes() == b"new"


def test_a_folder_is_flushed_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("beside", "folder"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(name)
    calls: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def watch_fsync(handle: int) -> None:
        calls.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        fsync(handle)

    def watch_rename(old: Path, new: Path) -> Path:
        calls.append(f"{old.name} -> {new.name}")
        return rename(old, new)

    monkeypatch.setattr(os, "fsync", watch_fsync)
    monkeypatch.setattr(Path, "rename", watch_rename)
    publish_folder(tmp_path / "beside", tmp_path / "folder", tmp_path / "aside")
    assert calls == ["a", "beside", "folder -> aside", "beside -> folder", tmp_path.name]
    assert (tmp_path / "folder" / "a").read_text() == "beside" and (tmp_path / "aside" / "a").read_text() == "folder"


def test_there_is_one_place_that_flushes_to_disk() -> None:
    source = Path(majolica.__file__).parent
    calls = re.compile(r"os\.fsync\(|os\.replace\(|os\.rename\(|shutil\.move\(")
    found = [path.relative_to(source) for path in source.rglob("*.py") if calls.search(path.read_text("utf-8"))]
    assert found == [Path("files.py")]
