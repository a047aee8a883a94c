"""Height and width of every picture of a tar, when it is upright. They are read from the headers and kept in a .dims
file beside the tar."""

from __future__ import annotations

import contextlib
import struct
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from majolica.data.pictures.opening import upright_size
from majolica.data.store.local import Opened
from majolica.errors import UserError
from majolica.files import write_atomic

MAGIC = b"MJLDIM03"
HEAD = 4096
"""Bytes that hold the dimensions of most pictures. If they do not, the whole picture is read."""

TAIL = 65_536
"""Bytes at the end of a PNG in which its orientation is looked for."""


def read_dimensions(opened: Opened, path: Path | None, size: int, mtime: int) -> NDArray[np.uint16]:
    """Return height and width `(N, 2)` of the samples of a tar of `size` bytes; (1, 1) for what is no picture.

    They are kept in the file `path`, if one is given. They are read again if the tar was changed since, which its
    `mtime` (in ns) tells; its size does not, because tars are filled up to a multiple of 10,240 bytes.
    """
    count = len(opened.rows)
    head = MAGIC + struct.pack("<qqq", size, mtime, count)
    if path and path.exists():
        saved = path.read_bytes()
        if saved[: len(head)] == head and len(saved) == len(head) + 4 * count:
            return np.frombuffer(saved[len(head) :], np.uint16).reshape(count, 2)
    found = np.array([_read_size(opened, int(r["image"]), int(r["image_size"])) for r in opened.rows], np.uint16)
    if path:
        with contextlib.suppress(UserError):  # a folder that cannot be written to can still be read
            write_atomic(path, head + found.tobytes())
    return found.reshape(count, 2)


def _read_size(opened: Opened, offset: int, size: int) -> tuple[int, int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for length in (min(HEAD, size), size):
            head = opened.read(offset, length)
            behind = min(TAIL, size - length) if head.startswith(b"\x89PNG") else 0
            tail = opened.read(offset + size - behind, behind) if behind else b""
            try:
                height, width = upright_size(head, tail)
            except Exception:  # the picture is cut short, or it is none
                continue
            return min(height, 65535), min(width, 65535)
    return 1, 1
