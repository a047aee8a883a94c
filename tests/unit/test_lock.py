"""One training at a time in a folder; a lock ends with its holder, however that ends."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from majolica import lock
from majolica.errors import UserError
from majolica.lock import LOCK, hold_folder
from processes import ENVIRONMENT, is_running, wait_for

HOLDER = """
import subprocess, sys
from pathlib import Path
from majolica.lock import hold_folder
with hold_folder(Path(sys.argv[1])) as lock:
    child = subprocess.Popen([sys.executable, "-c", "input()"], pass_fds=[lock], stdin=0)
    print(child.pid, flush=True)
    child.wait()
"""


def holder(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """Another process that holds the folder, with a child that has its lock too; both end with the standard input."""
    words = [sys.executable, "-c", HOLDER, str(folder)]
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=ENVIRONMENT
    )
    assert process.stdout
    return process, int(process.stdout.readline())


def test_the_refusal_names_who_trains_there_and_a_killed_holder_is_none(tmp_path: Path) -> None:
    process, child = holder(tmp_path)
    try:
        with pytest.raises(UserError, match=rf"is in use: process {process.pid} on .* has worked there") as raised:
            hold_folder(tmp_path).__enter__()
        assert "\n" not in str(raised.value)
        process.kill()
        process.wait()
        with pytest.raises(UserError, match=rf"process {process.pid} on .* has gone, and what it started still works"):
            hold_folder(tmp_path).__enter__()
        assert process.stdin
        process.stdin.close()  # the child ends
        assert wait_for(lambda: not is_running(child))
        with hold_folder(tmp_path):
            pass
    finally:
        process.kill()


def test_a_folder_can_be_held_again_and_no_lock_is_left(tmp_path: Path) -> None:
    for _ in range(2):
        with hold_folder(tmp_path / "run"):
            assert json.loads((tmp_path / "run" / LOCK).read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []  # it came to nothing
    with hold_folder(tmp_path / "run"):
        (tmp_path / "run" / "config.yaml").touch()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.yaml"]


def test_a_lock_that_its_holder_has_just_deleted_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between opening and locking: whoever locks the deleted file holds nothing that others see."""
    real = lock._take
    deleted = []

    def take(handle: int, folder: Path) -> None:
        real(handle, folder)
        if not deleted:
            deleted.append((folder / LOCK).unlink())

    monkeypatch.setattr(lock, "_take", take)
    with hold_folder(tmp_path), pytest.raises(UserError, match="is in use"):
        hold_folder(tmp_path).__enter__()
    assert deleted


@pytest.fixture
def no_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a network file system without locks."""

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)


def record(folder: Path, **changes: Any) -> None:
    (folder / LOCK).write_text(json.dumps(lock._own_record() | changes))


def test_without_flock_the_holder_is_looked_for(no_flock: None, tmp_path: Path) -> None:
    with hold_folder(tmp_path), pytest.raises(UserError, match=f"process {os.getpid()} on .*; if it is gone, delete"):
        hold_folder(tmp_path).__enter__()
    with hold_folder(tmp_path):
        pass


@pytest.mark.parametrize(
    "stale",
    [{"boot": "an earlier start of this machine"}, {"started": "0"}, {"pid": 2**22 + 1}],
    ids=["rebooted", "another process of that number", "no such process"],
)
def test_without_flock_a_stale_lock_is_recognised(no_flock: None, tmp_path: Path, stale: dict[str, Any]) -> None:
    record(tmp_path, **stale)
    with hold_folder(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("held_by", [{"host": "another"}, {"host": platform.node()}], ids=["another", "this"])
def test_without_flock_what_cannot_be_known_is_refused(no_flock: None, tmp_path: Path, held_by: dict[str, Any]) -> None:
    record(tmp_path, **held_by)
    with pytest.raises(UserError, match="is in use: process"):
        hold_folder(tmp_path).__enter__()
    (tmp_path / LOCK).write_text("half a rec")
    with pytest.raises(UserError, match="another process works there"):
        hold_folder(tmp_path).__enter__()


def test_a_folder_that_cannot_be_one_is_a_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write into .*file: Not a directory"):
        hold_folder(tmp_path / "file").__enter__()


def test_a_full_disk_costs_the_name_of_the_holder_not_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with hold_folder(tmp_path), pytest.raises(UserError, match="another process works there"):
        hold_folder(tmp_path).__enter__()


def test_parents_that_were_made_for_the_lock_are_removed_unless_something_was_written(tmp_path: Path) -> None:
    with hold_folder(tmp_path / "a" / "b" / "c"):
        assert (tmp_path / "a" / "b" / "c" / LOCK).exists()
    assert list(tmp_path.iterdir()) == []
    with hold_folder(tmp_path / "a" / "b" / "c"):
        (tmp_path / "a" / "kept").touch()
    assert sorted(path.name for path in (tmp_path / "a").rglob("*")) == ["kept"]
    (tmp_path / "a" / "kept").unlink()
    with hold_folder(tmp_path / "a" / "b"):
        pass
    assert (tmp_path / "a").exists()  # it was there before


def test_parents_are_removed_if_the_lock_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        with pytest.raises(UserError, match="No space left on device"):
            hold_folder(tmp_path / "a" / "b").__enter__()
    assert list(tmp_path.iterdir()) == []
