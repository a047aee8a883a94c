"""A folder of tars on this machine, read by `pread`."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from majolica.data.store.catalogue import Tar, open_catalogue
from majolica.data.store.index import open_index


@dataclass(frozen=True)
class Opened:
    """A tar that can be read.

    `rows` is its index, `read(offset, size)` returns bytes, and `prefetch(offset, size)` says which bytes are
    needed soon.
    """

    rows: Any
    read: Callable[[int, int], bytes]
    prefetch: Callable[[int, int], None]
    peek: Callable[[int, int], bytes] | None = None
    """Like `read`, for a few bytes only, if `read` would fetch more than it is asked for."""


class LocalTars:
    """The tars of a local folder; `RemoteTars` is the same for a URL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        known = open_catalogue(folder)
        self.tars, self._held, self.notices = known.tars, known.held, known.notices

    def open(self, tar: Tar) -> Opened:
        """Return a tar ready to be read."""
        path = self.folder / tar.name
        file = io.FileIO(path)
        rows = self._held[tar.name] if tar.name in self._held else open_index(path).rows
        return Opened(rows, lambda offset, size: os.pread(file.fileno(), size, offset), _do_nothing)

    def stamps(self) -> list[str]:
        """Return the time at which each tar was last changed."""
        return [str(tar.mtime) for tar in self.tars]

    def close(self) -> None:
        """Do nothing, because nothing is kept on the disk."""


def _do_nothing(offset: int, size: int) -> None:
    """Do nothing, because the operating system reads ahead on its own."""
