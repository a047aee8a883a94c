"""A folder of tars on this machine, read by `pread`."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from majolica.data.store.catalogue import Tar, catalogue
from majolica.data.store.index import open_index


@dataclass(frozen=True)
class Opened:
    """One tar that can be read: its index rows, its bytes by offset and size, and word of what is wanted soon."""

    rows: Any
    read: Callable[[int, int], bytes]
    ahead: Callable[[int, int], None]
    peek: Callable[[int, int], bytes] | None = None
    """As `read` for a few bytes alone, where `read` would fetch more than it is asked for."""


class LocalTars:
    """The tars of a folder; what `RemoteTars` is for a URL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        known = catalogue(folder)
        self.tars, self._held, self.notices = known.tars, known.held, known.notices

    def open(self, tar: Tar) -> Opened:
        """Index and bytes of a tar."""
        path = self.folder / tar.name
        file = io.FileIO(path)
        rows = self._held[tar.name] if tar.name in self._held else open_index(path).rows
        return Opened(rows, lambda offset, size: os.pread(file.fileno(), size, offset), _do_nothing)

    def stamps(self) -> list[str]:
        """Times of change."""
        return [str(tar.mtime) for tar in self.tars]

    def close(self) -> None:
        """Nothing is kept."""


def _do_nothing(offset: int, size: int) -> None:
    """The system reads ahead on its own."""
