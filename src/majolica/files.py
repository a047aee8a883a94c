"""Atomic writes: a file or folder is either the old version or the whole new one, never a part."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from majolica.errors import UserError


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write `content` to `path` atomically, as `whole_file` does."""
    with whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def whole_file(path: Path, advice: str = "", flush: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`, which is renamed to `path` if the context ends without error.

    Missing parent folders are made. If the context fails, `path` keeps its old content and the
    temporary file is removed. `flush` writes the file to disk before the rename; it can be False for a
    file that need not survive a power failure, such as one of a cache, which is faster.

    Raises UserError, which ends with `advice`, if the file cannot be written.
    """
    # The name is cut, because file systems limit its length.
    beside = path.with_name(f".{path.name[:50]}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("xb") as file:
            yield file
        if flush:
            publish_file(beside, path)
        else:
            beside.replace(path)
    except OSError as error:
        reason = f"cannot write {path}: {error.strerror or error}"
        raise UserError(f"{reason}; {advice}" if advice else reason) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def append_whole(path: Path, content: bytes, flush: bool = False) -> None:
    """Append lines to a file: all of `content`, or none of it and raise OSError.

    If the file ends within a line, because a process was killed while it wrote, the content begins
    on a new line. `flush` writes the file to disk.
    """
    with path.open("a+b", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
            content = content if file.read(1) == b"\n" else b"\n" + content
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[file.write(rest) :]
            if flush:
                os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(end)
            raise


def sweep_unfinished(folder: Path, *names: str) -> None:
    """Remove the temporary files that killed processes left of `whole_file` for `names` in `folder`.

    `names` are glob patterns. The caller must be the only writer of these files, for instance because
    it holds the lock of the folder; otherwise files that are being written would be removed.
    """
    for name in names:
        for path in folder.glob(f".{name}.*.tmp"):
            if _UNFINISHED.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    path.unlink()


_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")


def publish_file(beside: Path, path: Path) -> None:
    """Flush the finished file `beside` to disk and rename it to `path`, replacing a file of that name.

    Both must lie on one file system. Raises OSError if the disk refuses.
    """
    _flush(beside)
    beside.replace(path)
    sync_folder(path.parent)


def publish_folder(beside: Path, folder: Path, aside: Path) -> None:
    """Flush the finished folder `beside` and its files to disk, and rename it to `folder`.

    An existing `folder` is first renamed to `aside`, because a rename cannot replace a folder that
    holds files; for a moment no `folder` exists. The caller deletes `aside`. Raises OSError if the
    disk refuses.
    """
    for path in beside.iterdir():
        _flush(path)
    sync_folder(beside)
    if folder.exists():
        folder.rename(aside)
    beside.rename(folder)
    sync_folder(folder.parent)


def check_writable(path: Path) -> None:
    """Raise UserError if no file could be written to `path`; call it before long work whose result goes there.

    It makes an empty file in the folder, or in the nearest parent that exists. Permissions alone do
    not tell: root may write regardless of them, but not to a read-only disk.
    """
    try:
        if path.is_dir():
            raise UserError(f"cannot write {path}: it is a folder; name a file")
        if path.exists() and not path.is_file():
            raise UserError(f"cannot write {path}: it is a device or a pipe; name a file")
        _try_to_write(path.parent)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def check_new_file(path: Path, suffix: str) -> None:
    """Raise UserError if `path` is there already, if its name does not end in `suffix`, or if it cannot be written.

    It is for files on which other things come to depend, so that nobody replaces one by mistake.
    """
    if path.exists():
        raise UserError(f"{path} exists, and something may depend on it: move it away, or name another with --out")
    if path.suffix != suffix:
        raise UserError(f"cannot write {path}: name a file that ends in {suffix}")
    check_writable(path)


def check_folder_writable(path: Path) -> None:
    """Raise UserError if no files could be written into the folder `path`, which need not exist yet."""
    try:
        if path.exists() and not path.is_dir():
            raise UserError(f"cannot write into {path}: it is a file; name a folder")
        _try_to_write(path)
    except OSError as error:
        raise UserError(f"cannot write into {path}: {error.strerror or error}") from error


def _try_to_write(folder: Path) -> None:
    """Raise OSError if no file can be made in `folder` or, if that is missing, in its nearest parent."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".majolica-"):
            pass
    except FileNotFoundError as error:  # raised in /proc, and for a dangling link
        raise OSError(error.errno, f"no file can be made in {folder}") from error


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
