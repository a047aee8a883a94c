"""Files and folders that are either the old one or the whole new one, never half of it."""

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
    """Write `content` to `path`, as `whole_file`."""
    with whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def whole_file(path: Path, advice: str = "", flush: bool = True) -> Iterator[BinaryIO]:
    """A file beside `path` to write to; it is flushed to disk and renamed to `path` when the context ends well.

    Missing parent folders are made. Raises UserError where the disk refuses, with `advice` at its end; whatever
    happens, `path` is left whole and nothing is left beside it. A file that need not outlive a power cut, such as one
    of a cache, is written faster without `flush`.
    """
    beside = path.with_name(f".{path.name[:50]}.{secrets.token_hex(4)}.tmp")  # no longer than names may be
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


def sweep_unfinished(folder: Path, *names: str) -> None:
    """Remove what killed processes left beside the files `names` (patterns) of `folder`, written by `whole_file`.

    For who holds the lock of the folder, and for files that nobody else writes.
    """
    for name in names:
        for path in folder.glob(f".{name}.*.tmp"):
            if _UNFINISHED.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    path.unlink()


_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")


def publish_file(beside: Path, path: Path) -> None:
    """Flush a finished file to disk and give it its name `path`, in place of a file that has it; both lie on one disk.

    Raises OSError where the disk refuses.
    """
    _flush(beside)
    beside.replace(path)
    sync_folder(path.parent)


def publish_folder(beside: Path, folder: Path, aside: Path) -> None:
    """Flush a finished folder and the files in it to disk, and give it its name `folder`.

    A folder that has that name is renamed to `aside` right before, because no rename can replace it: in between there
    is none called `folder`. `aside` is for the caller to delete. Raises OSError where the disk refuses.
    """
    for path in beside.iterdir():
        _flush(path)
    sync_folder(beside)
    if folder.exists():
        folder.rename(aside)
    beside.rename(folder)
    sync_folder(folder.parent)


def check_writable(path: Path) -> None:
    """UserError where a file could not be written to `path`: to be called before the work whose result it is to hold.

    Tries it with an empty file in the folder, or in the nearest parent that exists, for root may write where
    permissions say otherwise, and not where the disk is read-only.
    """
    try:
        if path.is_dir():
            raise UserError(f"cannot write {path}: it is a folder; name a file")
        if path.exists() and not path.is_file():
            raise UserError(f"cannot write {path}: it is a device or a pipe; name a file")
        _try_to_write(path.parent)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def check_folder_writable(path: Path) -> None:
    """UserError where no files could be written into the folder `path`, which need not exist yet."""
    try:
        if path.exists() and not path.is_dir():
            raise UserError(f"cannot write into {path}: it is a file; name a folder")
        _try_to_write(path)
    except OSError as error:
        raise UserError(f"cannot write into {path}: {error.strerror or error}") from error


def _try_to_write(folder: Path) -> None:
    """OSError where neither `folder` nor, if it is not there yet, its nearest parent takes a file."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".majolica-"):
            pass
    except FileNotFoundError as error:  # what /proc, or a link to nowhere, says
        raise OSError(error.errno, f"no file can be made in {folder}") from error


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename in it outlives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
