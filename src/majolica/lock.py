"""A lock for a folder, so that one process at a time works in it.

The kernel releases the lock when the last process that holds it ends.
"""

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
def hold_folder(folder: Path) -> Iterator[int]:
    """Lock a folder, which is made if it is missing; yields the descriptor of the lock file.

    The lock is `flock` on a file. Child processes may inherit the descriptor: the lock lasts until the
    last process that has it ends, however it ends. If the file system does not support `flock`, the
    lock counts as held as long as the process that the file names is alive. Folders that were made
    for it, parents too, are removed again if nothing was written into them.

    Raises UserError, which names the holder, if another process works in the folder, and UserError if
    the folder cannot be written.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        lock = _lock_folder(folder)
        try:
            yield lock
        finally:
            with contextlib.suppress(OSError):
                (folder / LOCK).unlink()
            os.close(lock)
    finally:
        for made in missing:
            with contextlib.suppress(OSError):  # something was written into it, or it could not be made
                made.rmdir()


def find_holder(folder: Path) -> str:
    """Return which process works in a folder, by its lock file; "" if none does, or none that is known of."""
    try:
        found = json.loads((folder / LOCK).read_text())
    except (OSError, ValueError):
        return ""
    if not isinstance(found, dict) or _is_gone(found):
        return ""
    return f"process {found.get('pid')} on {found.get('host')}"


def _lock_folder(folder: Path) -> int:
    """Lock the folder's lock file, and return its descriptor."""
    path = folder / LOCK
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            reason = "Not a directory" if folder.is_file() else error.strerror
            raise UserError(f"cannot write into {folder}: {reason}") from error
        try:
            _take(lock, folder)
        except UserError:
            os.close(lock)
            raise
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(lock), path.stat()):
                return lock
        os.close(lock)  # the previous holder deleted the file after we had opened it: try again


def _take(lock: int, folder: Path) -> None:
    """Lock the open file, and write into it which process holds it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with contextlib.suppress(OSError):  # on a full disk the lock holds without the record
            _write(lock, _own_record())
        return
    except BlockingIOError:
        raise UserError(_describe_holder(folder, _read(lock))) from None
    except OSError:  # some network file systems do not support flock
        holder = _read(lock)
    if holder is not None and not _is_gone(holder):
        raise UserError(f"{_describe_holder(folder, holder)}; if it is gone, delete {folder / LOCK}")
    try:
        _write(lock, _own_record())
    except OSError as error:
        raise UserError(f"cannot write {folder / LOCK}: {error.strerror or error}") from error


def _own_record() -> dict[str, Any]:
    return {
        "host": platform.node(),
        "boot": _boot_id(),
        "pid": os.getpid(),
        "started": _start_time(os.getpid()),
        "since": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
    }


def _write(lock: int, record: dict[str, Any]) -> None:
    text = json.dumps(record).encode()
    os.ftruncate(lock, 0)
    os.pwrite(lock, text, 0)


def _read(lock: int) -> dict[str, Any] | None:
    """The record of the process that holds the lock: None if the file is empty, {} if it is unreadable."""
    try:
        text = os.pread(lock, 10_000, 0)
        found = json.loads(text) if text else None
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) or found is None else {}


def _is_gone(holder: dict[str, Any]) -> bool:
    """Whether the holder has certainly ended: it ran on this machine, which has been restarted or no
    longer has the process."""
    if holder.get("host") != platform.node():
        return False
    return holder.get("boot") != _boot_id() or not _is_alive(holder)


def _is_alive(holder: dict[str, Any]) -> bool:
    return holder.get("started") == _start_time(int(holder.get("pid", 0))) != ""


def _describe_holder(folder: Path, holder: dict[str, Any] | None) -> str:
    if not holder:
        return f"{folder} is in use: another process works there; wait for it, or choose another folder"
    who = f"process {holder.get('pid')} on {holder.get('host')}"
    if holder.get("host") == platform.node() and not _is_alive(holder):
        return f"{folder} is in use: {who} has gone, and what it started still works there; wait a moment"
    since = f"has worked there since {holder.get('since')}"
    return f"{folder} is in use: {who} {since}; wait for it, stop it, or choose another folder"


def _boot_id() -> str:
    """The kernel's identifier of the current boot; "" if the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _start_time(pid: int) -> str:
    """The start time of a process of this machine, in the system's own format; "" if it does not exist."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        pass
    if Path("/proc/self/stat").exists():
        return ""
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()
