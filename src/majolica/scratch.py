"""A folder for files that one process keeps on the disk for a while; it is removed when the process has ended.

The owner holds a lock in the folder for as long as it lives, and so do the child processes that inherit the lock. A
folder whose lock is free therefore belongs to nobody, and whoever makes the next such folder beside it removes it,
however its owner ended.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_LOCK = "lock"


class ScratchFolder:
    """A new folder in `parent` (the system's temporary folder when None) whose name begins with `prefix`.

    It is removed by `remove`, at the end of a `with`, when nobody refers to this object any more, and when the process
    ends. If the process is killed, the next folder of its prefix that is made beside it removes it. Raises OSError if
    the disk refuses.
    """

    path: Path
    lock: int
    """The descriptor of its lock: a child process that inherits it keeps the folder from being swept."""

    def __init__(self, prefix: str, parent: Path | None = None) -> None:
        if parent:
            parent.mkdir(parents=True, exist_ok=True)
        place = Path(parent or tempfile.gettempdir())
        _sweep(place, prefix)
        # It has another name until it is locked, so that no sweep sees it without its lock.
        made = Path(tempfile.mkdtemp(prefix=f"new-{prefix}", dir=place))
        try:
            lock = os.open(made / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.path = made.rename(place / made.name.removeprefix("new-"))
        except OSError:
            shutil.rmtree(made, ignore_errors=True)
            raise
        self.lock = lock
        self._finalizer = weakref.finalize(self, _remove, self.path, lock)

    def remove(self) -> None:
        """Remove the folder. It may be called twice."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def _remove(folder: Path, lock: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        os.close(lock)


def _sweep(parent: Path, prefix: str) -> None:
    """Remove folders whose owners have ended."""
    for folder in parent.glob(f"{prefix}*"):
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR)
        except OSError:  # it is somebody else's, or it is being removed already
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # its owner is alive
            pass
        finally:
            os.close(lock)
