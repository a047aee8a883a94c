"""The index of a tar says where the picture, caption and metadata of each sample lie. A tar is scanned once, and its
index is kept beside it as .mjidx.

The file has a header of 104 bytes (magic, size and mtime of the tar, number of samples, whether the tar is cut, how
many members were left out for each reason), and then 28 bytes for each sample, so that it can be memory-mapped. It is
rebuilt if the tar has changed or if the magic is that of another version. If the folder is read-only, the index is kept
in memory.

A sample is a picture with a caption: the members of one folder that have the same key, in any order (see
`majolica.data.store.naming`). Of members with the same name, the first counts. The caption is the first text that is
not blank among .txt, .caption, .text, and the fields `caption` and `text` of the .json. If all of them are blank, the
sample has an empty caption, and its row says so.
"""

from __future__ import annotations

import logging
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from majolica.data.store.caption_text import json_caption
from majolica.data.store.groups import REASONS, ROW, Samples
from majolica.data.store.tar import DamagedTar, read_members
from majolica.errors import UserError
from majolica.files import write_atomic
from majolica.plurals import counted

log = logging.getLogger(__name__)

MAGIC = b"MJLIDX03"
_HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("size", "<i8"),
        ("mtime", "<i8"),
        ("count", "<i8"),
        ("cut", "<i8"),
        ("reasons", "<i8", len(REASONS)),
    ]
)


@dataclass(frozen=True)
class Index:
    """One row (of type ROW) for each usable sample, in the order of the pictures, and what was left out."""

    rows: NDArray[Any]
    """If `text` points at the JSON member, the caption is a field of that JSON. If `text_size` is 0, the caption is
    empty."""
    reasons: dict[str, int]
    """How many samples or members were left out, for each of REASONS."""
    truncated: bool
    """Whether the tar ends early or is damaged; then only the whole samples before that place are listed."""
    damage: str = ""
    """What is wrong with the tar; this is known only after a scan."""
    unsaved: str = ""
    """Why the index could not be saved beside the tar; "" if it was saved."""

    @property
    def skipped(self) -> int:
        """Number of samples and members that were left out."""
        return sum(self.reasons.values())

    @property
    def empty(self) -> int:
        """Number of samples whose caption is empty."""
        return count_empty(self.rows)


def count_empty(rows: NDArray[Any]) -> int:
    """Return how many of `rows` have an empty caption."""
    return int((rows["text_size"] == 0).sum())


def open_index(tar: Path, rebuild: bool = False) -> Index:
    """Return the index of `tar` from its .mjidx file if that fits the tar; otherwise scan the tar and save the index.

    With `rebuild` the tar is always scanned. Raises UserError if the tar cannot be read, or if it holds
    pictures but no captions.
    """
    before = _stat(tar)
    path = tar.with_suffix(".mjidx")
    known = None if rebuild else _load(path, before)
    if known is not None:
        return known
    index = scan_tar(tar)
    if index.skipped:
        why = ", ".join(f"{count} x {reason}" for reason, count in index.reasons.items())
        log.warning("%s: some members are left out (%s)", tar, why)
    after = _stat(tar)
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        log.warning("%s was written to while it was indexed; the index is not kept", tar)
        return replace(index, unsaved=f"{tar} was written to while it was indexed")
    reasons = [index.reasons.get(reason, 0) for reason in REASONS]
    values = (MAGIC, before.st_size, before.st_mtime_ns, len(index.rows), int(index.truncated), reasons)
    header = np.array([values], _HEADER)
    try:
        write_atomic(path, header.tobytes() + index.rows.tobytes())
    except UserError as error:
        log.info("the index is not kept: %s", error)
        return replace(index, unsaved=str(error))
    mapped = _load(path, before)
    return replace(mapped, damage=index.damage) if mapped else index


def scan_tar(tar: Path) -> Index:
    """Read all headers of `tar`. Raises UserError if it holds pictures but no caption at all."""
    try:
        with tar.open("rb") as file:
            return scan_file(file, os.fstat(file.fileno()).st_size, str(tar))
    except OSError as error:
        raise UserError(f"cannot read {tar}: {error.strerror or error}") from error


def scan_file(file: BinaryIO, size: int, tar: str) -> Index:
    """Read all headers of an open tar of `size` bytes that is called `tar`, as `scan_tar` does."""
    samples = Samples(file)
    damage = ""
    try:
        for member in read_members(file, size):
            samples.add(member)
    except DamagedTar as error:
        damage = str(error)
    rows, reasons = samples.finish(damage)
    index = Index(np.array(rows, ROW), reasons, bool(damage), damage)
    if damage:
        log.warning("%s: %s; what is used of it: %s", tar, damage, counted(len(index.rows), "whole sample"))
    elif samples.pictures and not samples.captions:
        raise UserError(
            f"{tar} holds {counted(samples.pictures, 'picture')} but no captions (.txt); give each picture one"
            " (.caption, .text, or a field caption or text in its .json will do), or remove it"
        )
    return index


def caption_bytes(row: Any, text: bytes) -> bytes:
    """Return the caption of the sample in `row`. `text` is what its text member holds: the caption, or JSON with it."""
    if row["json_size"] == 0 or row["text"] != row["json"]:
        return text
    return (json_caption(text) or "").encode("utf-8", "replace")


def parse_index(data: bytes, size: int) -> NDArray[Any] | None:
    """Return the rows in the bytes of an .mjidx file, or None if they do not belong to a tar of `size` bytes."""
    if len(data) < _HEADER.itemsize:
        return None
    header = np.frombuffer(data, _HEADER, 1)[0]
    rows = data[_HEADER.itemsize :]
    if header["magic"] != MAGIC or header["size"] != size or len(rows) != header["count"] * ROW.itemsize:
        return None
    return np.frombuffer(rows, ROW)


def _load(path: Path, tar: os.stat_result) -> Index | None:
    try:
        with path.open("rb") as file:  # opened only once, because another process may put a new file in its place
            header = np.fromfile(file, _HEADER, 1)[0]
            if header["magic"] != MAGIC or header["size"] != tar.st_size or header["mtime"] != tar.st_mtime_ns:
                return None
            count = int(header["count"])
            if os.fstat(file.fileno()).st_size != _HEADER.itemsize + count * ROW.itemsize:
                return None
            rows: NDArray[Any] = np.empty(0, ROW)
            if count:
                rows = np.memmap(file, ROW, "r", offset=_HEADER.itemsize, shape=(count,))
    except (OSError, IndexError):
        return None
    left_out = zip(REASONS, header["reasons"].tolist(), strict=True)
    return Index(rows, {reason: number for reason, number in left_out if number}, bool(header["cut"]))


def _stat(tar: Path) -> os.stat_result:
    """UserError for what is no file: opening a named pipe would wait for ever."""
    try:
        found = tar.stat()
    except OSError as error:
        raise UserError(f"cannot read {tar}: {error.strerror or error}") from error
    if kind := kind_of(found.st_mode):
        raise UserError(f"cannot read {tar}: it is {kind}, not a file")
    return found


def kind_of(mode: int) -> str:
    """What a thing with this `st_mode` is where it is no file; nothing for a file."""
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return "" if stat.S_ISREG(mode) else kinds.get(stat.S_IFMT(mode), "something else")
