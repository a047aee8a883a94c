"""A file in which the pictures of a shard wait, in the order in which they come, until all of them are there."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

from majolica.data.fetch.shard_files import write_error


class Spool:
    """A file without a name, to which many threads append. It disappears with the process, however that ends."""

    def __init__(self, folder: Path) -> None:
        try:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        except OSError as error:
            raise write_error(folder, error) from error
        self._lock = threading.Lock()
        self._end = 0
        self._folder = folder

    def append(self, data: bytes) -> int:
        """Write `data` and return its offset. Raises UserError on a full disk."""
        with self._lock:
            offset, self._end = self._end, self._end + len(data)
        try:
            place = 0
            while place < len(data):
                place += os.pwrite(self._file.fileno(), memoryview(data)[place:], offset + place)
        except OSError as error:
            raise write_error(self._folder, error) from error
        return offset

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self._file.fileno(), size, offset)

    def close(self) -> None:
        self._file.close()
