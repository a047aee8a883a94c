"""The index of a tar: where each sample's picture, caption and metadata lie; scanned once, kept as .mjidx.

File: 88-byte header (magic, size and mtime of the tar, samples, whether it is cut, what was left out by reason),
then 28 bytes a sample, so that it can be memory-mapped. It is rebuilt when the tar has changed, and kept in
memory only where the folder is read-only.

A sample is a picture with a caption: the members of one folder whose names agree up to the first dot, in any
order. The caption is its .txt, .caption or .text, else the field `caption` or `text` of its .json. Of members
with the same name the first counts.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from majolica.data.tar import Damaged, Member, members
from majolica.errors import UserError
from majolica.files import write_atomic

log = logging.getLogger(__name__)

IMAGES = frozenset({"jpg", "jpeg", "png", "webp"})
TEXTS = ("txt", "caption", "text")
"""Extensions of captions, the preferred first."""
CAPTION_FIELDS = ("caption", "text")
"""Fields of a .json that hold the caption where no member does."""
REASONS = (
    "no caption",
    "no picture",
    "member twice",
    "not a plain file",
    "member too large",
    "members too far apart",
)
"""Why members are left out, in the order of the .mjidx header."""
MAGIC = b"MJLIDX02"
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
    [("magic", "S8"), ("size", "<i8"), ("mtime", "<i8"), ("count", "<i8"), ("cut", "<i8"), ("reasons", "<i8", 6)]
)
# Bytes at most, so that a hostile member costs no memory when it is read.
_MOST = {"image": 1 << 30, "json": 1 << 24} | dict.fromkeys(TEXTS, 1 << 20)
_FAR = 2**31


@dataclass(frozen=True)
class Index:
    """Rows of ROW, one per usable sample in the order of their pictures, and what was left out."""

    rows: NDArray[Any]
    """A row whose text is its json has its caption in there."""
    reasons: dict[str, int]
    """How many samples or members were left out, by REASONS."""
    truncated: bool
    """The tar ends early or is damaged; only whole samples before that are listed."""
    damage: str = ""
    """How so; known after a scan only."""

    @property
    def skipped(self) -> int:
        """Everything that was left out."""
        return sum(self.reasons.values())


def open_index(tar: Path) -> Index:
    """Return the index of `tar`, from its .mjidx file when that fits, else by a scan (which is then saved)."""
    stat = _stat(tar)
    path = tar.with_suffix(".mjidx")
    known = _load(path, stat)
    if known is not None:
        return known
    index = scan(tar)
    if index.skipped:
        why = ", ".join(f"{count} x {reason}" for reason, count in index.reasons.items())
        log.warning("%s: some members are left out (%s)", tar, why)
    after = _stat(tar)
    if (after.st_size, after.st_mtime_ns) != (stat.st_size, stat.st_mtime_ns):
        log.warning("%s was written to while it was indexed; the index is not kept", tar)
        return index
    reasons = [index.reasons.get(reason, 0) for reason in REASONS]
    values = (MAGIC, stat.st_size, stat.st_mtime_ns, len(index.rows), int(index.truncated), reasons)
    header = np.array([values], _HEADER)
    try:
        write_atomic(path, header.tobytes() + index.rows.tobytes())
    except UserError as error:
        log.info("the index is not kept: %s", error)
    mapped = _load(path, stat)
    return replace(mapped, damage=index.damage) if mapped else index


def scan(tar: Path) -> Index:
    """Read the headers of `tar`. Raises UserError when it holds pictures but not one caption."""
    try:
        with tar.open("rb") as file:
            return scan_file(file, os.fstat(file.fileno()).st_size, str(tar))
    except OSError as error:
        raise UserError(f"cannot read {tar}: {error.strerror or error}") from error


def scan_file(file: BinaryIO, size: int, tar: str) -> Index:
    """Read the headers of an open tar of `size` bytes that is called `tar`, as `scan`."""
    samples = _Samples(file)
    damage = ""
    try:
        for member in members(file, size):
            samples.add(member)
    except Damaged as error:
        damage = str(error)
    index = samples.index(damage)
    if damage:
        log.warning("%s: %s; its %d whole samples are used", tar, damage, len(index.rows))
    elif samples.pictures and not samples.captions:
        raise UserError(
            f"{tar} holds {samples.pictures} pictures but no captions (.txt); give each picture one"
            " (.caption, .text, or a field caption or text in its .json will do), or remove it"
        )
    return index


def json_caption(data: bytes) -> str | None:
    """The caption in a sample's metadata, where it has one."""
    try:
        known = json.loads(data)
    except (ValueError, RecursionError):
        return None
    found = (known.get(field) for field in CAPTION_FIELDS) if isinstance(known, dict) else ()
    return next((text for text in found if isinstance(text, str)), None)


def caption_bytes(row: Any, text: bytes) -> bytes:
    """The caption of the sample in `row`, given what its text member holds: that, or a field of it."""
    if row["json_size"] == 0 or row["text"] != row["json"]:
        return text
    return (json_caption(text) or "").encode("utf-8", "replace")


class _Samples:
    """Members on their way to rows. Of a sample that has all it can have only row and key stay in memory."""

    def __init__(self, file: BinaryIO) -> None:
        self.pictures = 0
        self.captions = 0
        self._file = file
        self._rows: list[tuple[int, ...]] = []
        self._reasons: Counter[str] = Counter()
        self._open: dict[str, dict[str, Member]] = {}
        self._done: set[str] = set()
        self._last = ""
        self._interleaved = False

    def add(self, member: Member) -> None:
        """Sort a member to its sample."""
        folder, _, name = member.name.removeprefix("./").rpartition("/")
        stem, _, extension = name.partition(".")
        kind = "image" if extension.lower() in IMAGES else extension.lower()
        if kind not in _MOST:
            return
        key = f"{folder}/{stem}"
        if key != self._last:
            if _parts(self._open.get(self._last, {})) == _ALL:
                self._close(self._last)
            self._interleaved |= key in self._open
            self._last = key
        group = self._open.setdefault(key, {}) if key not in self._done else {}
        if kind in group or key in self._done:
            self._reasons["member twice"] += 1
        elif not member.plain or member.size > _MOST[kind]:
            self._reasons["member too large" if member.plain else "not a plain file"] += 1
        else:
            group[kind] = member
            self._look(kind, group)

    def index(self, damage: str) -> Index:
        """Everything, at the end of the tar. Of one that is cut, samples that may lack members are dropped."""
        usual = self._usual()
        for key in list(self._open):
            doubtful = damage and (key == self._last or self._interleaved)
            if doubtful and not _parts(self._open[key]) >= usual:
                del self._open[key]
            else:
                self._close(key)
        self._rows.sort()
        reasons = {reason: self._reasons[reason] for reason in REASONS if self._reasons[reason]}
        return Index(np.array(self._rows, ROW), reasons, bool(damage), damage)

    def _usual(self) -> set[str]:
        """What the samples of this tar consist of, as far as those before the last tell."""
        others = [_parts(group) for key, group in self._open.items() if key != self._last]
        return _ALL if self._done or not others else set().union(*others)

    def _look(self, kind: str, group: dict[str, Member]) -> None:
        if kind == "image":
            self.pictures += 1
        elif kind in TEXTS:
            self.captions += 1
        elif not self.captions and self._holds_caption(group["json"]):
            # Where the tar has shown no caption yet, now is the time: going back is dear in a remote tar.
            group["inside"] = group["json"]

    def _close(self, key: str) -> None:
        group = self._open.pop(key)
        self._done.add(key)
        if "json" in group and not group.keys() & {"inside", *TEXTS} and self._holds_caption(group["json"]):
            group["inside"] = group["json"]
        text = next((group[kind] for kind in (*TEXTS, "inside") if kind in group), None)
        self.captions += "inside" in group and text is group["inside"]
        if "image" not in group or text is None:
            if group:  # else its members have been counted already
                self._reasons["no caption" if "image" in group else "no picture"] += 1
            return
        row = _row(group["image"], text, group.get("json"))
        if all(-_FAR <= row[place] < _FAR for place in (2, 4)):
            self._rows.append(row)
        else:
            self._reasons["members too far apart"] += 1

    def _holds_caption(self, member: Member) -> bool:
        self._file.seek(member.offset)
        return json_caption(self._file.read(member.size)) is not None


_ALL = {"image", "text", "json"}


def _parts(group: dict[str, Member]) -> set[str]:
    return {"text" if kind in TEXTS else kind for kind in group} & _ALL


def _row(image: Member, text: Member, meta: Member | None) -> tuple[int, ...]:
    about = (meta.offset - image.offset, meta.size) if meta else (0, 0)
    return image.offset, image.size, text.offset - image.offset, text.size, *about


def parse(data: bytes, size: int) -> NDArray[Any] | None:
    """The rows in the bytes of an .mjidx file; None when they are not those of a tar of `size` bytes."""
    if len(data) < _HEADER.itemsize:
        return None
    header = np.frombuffer(data, _HEADER, 1)[0]
    rows = data[_HEADER.itemsize :]
    if header["magic"] != MAGIC or header["size"] != size or len(rows) != header["count"] * ROW.itemsize:
        return None
    return np.frombuffer(rows, ROW)


def _load(path: Path, stat: os.stat_result) -> Index | None:
    try:
        with path.open("rb") as file:  # opened once: another process may put a new one in its place meanwhile
            header = np.fromfile(file, _HEADER, 1)[0]
            if header["magic"] != MAGIC or header["size"] != stat.st_size or header["mtime"] != stat.st_mtime_ns:
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
    try:
        return tar.stat()
    except OSError as error:
        raise UserError(f"cannot read {tar}: {error.strerror or error}") from error
