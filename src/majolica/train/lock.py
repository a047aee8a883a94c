"""One training at a time in a run folder: a lock that the kernel drops with the last process that holds it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from majolica.errors import UserError

LOCK = ".lock"


@contextlib.contextmanager
def held(folder: Path) -> Iterator[int]:
    """Hold a run folder, made where it is missing; gives the descriptor of the lock, which children may inherit.

    The lock is `flock` on a file that stays: it lasts until the last process that has the descriptor ends, however it
    ends. Where the file system has no such locks, the holder that the file names is looked for instead. Raises
    UserError, which names the holder, where another process trains in the folder, and where it cannot be written.
    """
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(f"cannot write into the run folder {folder}: {error.strerror or error}") from error
    try:
        _take(lock, folder)
        yield lock
        with contextlib.suppress(OSError):
            os.ftruncate(lock, 0)
    finally:
        os.close(lock)


def _take(lock: int, folder: Path) -> None:
    """Lock the open file and write down who holds it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with contextlib.suppress(OSError):  # a full disk: the lock holds, though nobody can read whose it is
            _write(lock, _oneself())
        return
    except BlockingIOError:
        raise UserError(_in_use(folder, _read(lock))) from None
    except OSError:  # no locks here, as on some network file systems
        holder = _read(lock)
    if holder is not None and not _gone(holder):
        raise UserError(f"{_in_use(folder, holder)}; if it is gone, delete {folder / LOCK}")
    try:
        _write(lock, _oneself())
    except OSError as error:
        raise UserError(f"cannot write {folder / LOCK}: {error.strerror or error}") from error


def _oneself() -> dict[str, Any]:
    return {
        "host": platform.node(),
        "boot": _boot(),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
        "since": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
    }


def _write(lock: int, record: dict[str, Any]) -> None:
    text = json.dumps(record).encode()
    os.ftruncate(lock, 0)
    os.pwrite(lock, text, 0)


def _read(lock: int) -> dict[str, Any] | None:
    """Who holds the lock: None where the file is empty, nothing known where it cannot be understood."""
    try:
        text = os.pread(lock, 10_000, 0)
        found = json.loads(text) if text else None
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) or found is None else {}


def _gone(holder: dict[str, Any]) -> bool:
    """Whether the holder has certainly ended: this machine started anew, or has no such process any more."""
    if holder.get("host") != platform.node():
        return False
    return holder.get("boot") != _boot() or not _alive(holder)


def _alive(holder: dict[str, Any]) -> bool:
    return holder.get("started") == _started(int(holder.get("pid", 0))) != ""


def _in_use(folder: Path, holder: dict[str, Any] | None) -> str:
    if not holder:
        return f"{folder} is in use: another process trains there; wait for it, or choose another folder"
    who = f"process {holder.get('pid')} on {holder.get('host')}"
    if holder.get("host") == platform.node() and not _alive(holder):
        return f"{folder} is in use: {who} has gone, and what it started is still saving there; wait a moment"
    since = f"has trained there since {holder.get('since')}"
    return f"{folder} is in use: {who} {since}; wait for it, stop it, or choose another folder"


def _boot() -> str:
    """What this start of the machine is called, where the system says."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process of this machine started, in whatever form the system says it; "" where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        pass
    if Path("/proc/self/stat").exists():
        return ""
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()
