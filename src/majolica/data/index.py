"""The index of a tar: where each sample's picture, caption and metadata lie; scanned once, kept as .idx.

File: 48-byte header (magic, size and mtime of the tar, samples, skipped, truncated), then 28 bytes a
sample, so that it can be memory-mapped. It is rebuilt when the tar has changed, and kept in memory only
where the folder is read-only.
"""

from __future__ import annotations

import logging
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from majolica.errors import UserError
from majolica.files import write_atomic

log = logging.getLogger(__name__)

IMAGES = frozenset({"jpg", "jpeg", "png", "webp"})
MAGIC = b"MJLIDX01"
# Text and metadata are kept relative to the picture: members of one sample are neighbours.
ROW = np.dtype(
    [
        ("image", "<u8"),
        ("image_size", "<u4"),
        ("text", "<i4"),
        ("text_size", "<u4"),
        ("json", "<i4"),
        ("json_size", "<u4"),
    ]
)
_HEADER = np.dtype(
    [("magic", "S8"), ("size", "<i8"), ("mtime", "<i8"), ("count", "<i8"), ("skipped", "<i8"), ("cut", "<i8")]
)


@dataclass(frozen=True)
class Index:
    """Rows of ROW, one per usable sample, and what was left out."""

    rows: NDArray[Any]
    skipped: int
    """Pictures without a caption, captions without a picture."""
    truncated: bool
    """The tar ends early; only whole samples are listed."""


def open_index(tar: Path) -> Index:
    """Return the index of `tar`, from its .idx file when that fits, else by a scan (which is then saved)."""
    stat = tar.stat()
    path = tar.with_suffix(".idx")
    known = _load(path, stat)
    if known is not None:
        return known
    index = scan(tar)
    if index.truncated:
        log.warning("%s ends early: its %d whole samples are used", tar, len(index.rows))
    if index.skipped:
        log.warning("%s: %d members make no picture with a caption and are left out", tar, index.skipped)
    values = (MAGIC, stat.st_size, stat.st_mtime_ns, len(index.rows), index.skipped, int(index.truncated))
    header = np.array([values], _HEADER)
    try:
        write_atomic(path, header.tobytes() + index.rows.tobytes())
    except UserError as error:
        log.info("the index is not kept: %s", error)
    return _load(path, stat) or index


def scan(tar: Path) -> Index:
    """Read the headers of `tar`. Raises UserError when it holds pictures but not one caption."""
    size = tar.stat().st_size
    rows: list[tuple[int, ...]] = []
    pictures = captions = skipped = 0
    truncated = False
    group: dict[str, tuple[int, int]] = {}
    previous = ""

    def close() -> None:
        nonlocal skipped
        if "image" in group and "txt" in group:
            rows.append(_row(group))
        elif group:
            skipped += 1

    for name, offset, length in _members(tar):
        if offset < 0 or offset + length > size:
            truncated = True
            break
        key, _, extension = name.rpartition("/")[2].partition(".")
        folder = name.rpartition("/")[0]
        if f"{folder}/{key}" != previous:
            close()
            group, previous = {}, f"{folder}/{key}"
        kind = "image" if extension.lower() in IMAGES else extension.lower()
        pictures += kind == "image"
        captions += kind == "txt"
        if kind in ("image", "txt", "json"):
            group[kind] = (offset, length)
    if truncated:
        group = {}  # its last members may be those that are missing
    close()
    if pictures and not captions and not truncated:
        raise UserError(f"{tar} holds {pictures} pictures but no captions (.txt); give each picture one, or remove it")
    return Index(np.array(rows, ROW), skipped, truncated)


def _row(group: dict[str, tuple[int, int]]) -> tuple[int, ...]:
    image, image_size = group["image"]
    text, text_size = group["txt"]
    meta, meta_size = group.get("json", (image, 0))
    return image, image_size, text - image, text_size, meta - image, meta_size


def _members(tar: Path) -> Iterator[tuple[str, int, int]]:
    """Yield name, offset and size of each file; ends with ("", -1, 0) where the tar is cut or damaged."""
    try:
        with tarfile.open(tar, "r:") as archive:
            end = 0
            for member in archive:
                if member.isfile():
                    yield member.name, member.offset_data, member.size
                end = member.offset_data + -(-member.size // 512) * 512
                archive.members = []  # type: ignore[attr-defined]  # tarfile keeps every header otherwise
            # A whole tar closes with a block of zeros; without one it was cut between two members.
            if tar.stat().st_size < end + 512:
                yield "", -1, 0
    except (tarfile.TarError, EOFError, OSError) as error:
        log.warning("%s: %s", tar, error)
        yield "", -1, 0


def _load(path: Path, stat: os.stat_result) -> Index | None:
    try:
        header = np.fromfile(path, _HEADER, 1)[0]
        if header["magic"] != MAGIC or header["size"] != stat.st_size or header["mtime"] != stat.st_mtime_ns:
            return None
        count = int(header["count"])
        if path.stat().st_size != _HEADER.itemsize + count * ROW.itemsize:
            return None
        rows: NDArray[Any] = np.empty(0, ROW)
        if count:
            rows = np.memmap(path, ROW, "r", offset=_HEADER.itemsize, shape=(count,))
        return Index(rows, int(header["skipped"]), bool(header["cut"]))
    except (OSError, IndexError):
        return None
