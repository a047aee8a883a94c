"""A cache of blocks of remote files on the local disk. Beyond a limit, the least recently used blocks are removed."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from majolica.errors import UserError
from majolica.scratch import ScratchFolder

log = logging.getLogger(__name__)

BLOCK = 4 << 20
"""Bytes that are fetched at once. This is most of a chunk of 100 small pictures, so one request serves many samples."""
ATTEMPTS = 5
PATIENCE = 0.5
"""Seconds to wait before the second attempt; the wait doubles before each further attempt."""

Fetch = Callable[[str, int, int], bytes]
"""(file, first byte, byte after the last) -> bytes."""
Key = tuple[str, int]


def read_patiently(file: str, read: Callable[[], bytes]) -> bytes:
    """Return what `read` gives; it is tried `ATTEMPTS` times. Raises UserError if the store keeps failing."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return read()
        except UserError:
            raise
        except Exception as error:  # each store raises exceptions of its own
            if attempt == ATTEMPTS or isinstance(error, FileNotFoundError | PermissionError):
                raise UserError(f"{file} cannot be read ({error}): is the store up and are you let in?") from error
            log.warning("%s: %s; attempt %d of %d follows", file, error, attempt + 1, ATTEMPTS)
            time.sleep(PATIENCE * 2 ** (attempt - 1))
    raise AssertionError


class Blocks:
    """A bounded cache of file blocks for one process; safe to use from many threads."""

    def __init__(self, fetch: Fetch, folder: Path | None, limit: int, threads: int = 16, block: int = BLOCK) -> None:
        self._fetch, self._limit, self._block = fetch, max(limit, 2 * block), block
        try:
            self._home = ScratchFolder("majolica-blocks-", folder)
        except OSError as error:
            raise UserError(f"no room for a cache of remote shards in {folder} ({error.strerror})") from error
        self.folder = self._home.path
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="majolica-remote")
        self._lock = threading.Lock()
        self._held: OrderedDict[Key, tuple[Path, int]] = OrderedDict()
        self._coming: dict[Key, Future[bytes]] = {}
        self._made = 0
        self.bytes = 0
        """Bytes that are on the disk now."""

    def read(self, file: str, offset: int, size: int) -> bytes:
        """Return `size` bytes of `file` from `offset` on, or fewer if the file ends there.

        Raises UserError if the file cannot be reached.
        """
        first, last = offset // self._block, (offset + max(1, size) - 1) // self._block
        data = b"".join(self._get((file, number)) for number in range(first, last + 1))
        start = offset - first * self._block
        return data[start : start + size]

    def prefetch(self, file: str, offset: int, size: int) -> None:
        """Begin to fetch bytes that `read` will be asked for."""
        for number in range(offset // self._block, (offset + max(1, size) - 1) // self._block + 1):
            self._start((file, number))

    def close(self) -> None:
        """Forget everything and leave nothing on the disk."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._home.remove()

    def _get(self, key: Key) -> bytes:
        with self._lock:
            held = self._held.get(key)
            if held:
                self._held.move_to_end(key)
                try:
                    return held[0].read_bytes()
                except OSError:  # somebody has deleted the file, so it is fetched again
                    self._drop(key)
        return self._start(key, again=True).result()

    def _start(self, key: Key, again: bool = False) -> Future[bytes]:
        with self._lock:
            if key in self._coming:
                return self._coming[key]
            if key in self._held and not again:
                done: Future[bytes] = Future()
                done.set_result(b"")
                return done
            future = self._coming[key] = self._pool.submit(self._bring, key)
            return future

    def _bring(self, key: Key) -> bytes:
        try:
            data = self._patiently(key)
            self._keep(key, data)
            return data
        finally:
            with self._lock:
                self._coming.pop(key, None)

    def _patiently(self, key: Key) -> bytes:
        file, number = key
        return read_patiently(file, partial(self._fetch, file, number * self._block, (number + 1) * self._block))

    def _keep(self, key: Key, data: bytes) -> None:
        with self._lock:
            self._made += 1
            path = self.folder / f"{self._made:08d}"
        try:
            path.write_bytes(data)
        except OSError as error:
            log.warning("a block is not kept on disk (%s)", error.strerror)
            path.unlink(missing_ok=True)
            return
        with self._lock:
            self._drop(key)
            self._held[key] = (path, len(data))
            self.bytes += len(data)
            while self.bytes > self._limit:
                self._drop(next(iter(self._held)))

    def _drop(self, key: Key) -> None:
        if held := self._held.pop(key, None):
            self.bytes -= held[1]
            held[0].unlink(missing_ok=True)
