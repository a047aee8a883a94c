"""A temporary folder of one process, which is removed when the process has ended, even by a kill.

The owner holds a lock in the folder as long as it lives, and so do child processes that inherit the
lock. A folder whose lock is free therefore has no owner any more, and the next process that makes a
scratch folder beside it removes it.
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
    """A new folder in `parent` (None: the system's temporary folder) whose name begins with `prefix`.

    It is removed by `remove`, at the end of a `with`, when this object is garbage-collected, and when
    the process ends. After a kill, the next ScratchFolder with the same prefix and parent removes it.
    Raises OSError if the disk refuses.
    """

    path: Path
    lock: int
    """Descriptor of its lock. As long as a child process that inherits it lives, the folder is kept."""

    def __init__(self, prefix: str, parent: Path | None = None) -> None:
        if parent:
            parent.mkdir(parents=True, exist_ok=True)
        place = Path(parent or tempfile.gettempdir())
        _sweep(place, prefix)
        # Until it is locked it has another name, so that `_sweep` in another process does not remove it.
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
    """Remove the scratch folders in `parent` whose owners have ended."""
    for folder in parent.glob(f"{prefix}*"):
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR)
        except OSError:  # it is no scratch folder of ours, or it is being removed already
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # its owner is alive
            pass
        finally:
            os.close(lock)
