"""Tar shards in the img2dataset layout: writing them, and reading any sample of a folder of them by `pread`.

A sample with key 000010042 is the members 000010042.jpg (or .png, .webp), .txt (its caption) and .json
(what is known).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from majolica.data.index import open_index
from majolica.errors import UserError
from majolica.files import write_atomic

PER_SHARD = 1000


@dataclass(frozen=True)
class Record:
    """One sample as it is stored: encoded picture, its extension ("jpg" or "png"), caption and metadata."""

    image: bytes
    extension: str
    caption: str
    meta: dict[str, Any]


class BadSample(Exception):
    """A sample that cannot be read; the message is the reason, fit for counting."""


class ShardSet:
    """Every usable sample of the tars in a folder, numbered in the order of file names and of members.

    Safe to read from many threads. Raises UserError when there is nothing to read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tars = _tars(folder)
        self._counts: list[int] = []
        self._held: dict[int, Any] = {}
        """Rows of indexes that could not be saved beside their tars."""
        for i, tar in enumerate(self.tars):
            rows = open_index(tar).rows
            self._counts.append(len(rows))
            if len(rows) and not isinstance(rows, np.memmap):
                self._held[i] = rows
        self._ends = np.cumsum(self._counts)
        if self._ends[-1] == 0:
            raise UserError(f"no tar in {folder} holds a whole picture with its caption; make or fetch the data again")
        names = [f"{tar.name} {tar.stat().st_size} {count}" for tar, count in zip(self.tars, self._counts, strict=True)]
        self.manifest = hashlib.sha256("\n".join(names).encode()).hexdigest()
        """Hash of the tars' names, sizes and counts: equal manifests mean the same numbering."""
        # Bounded, so that a folder of 100,000 tars does not run out of file descriptors. An evicted file is
        # closed when its last reader lets go of it.
        self._open = lru_cache(maxsize=128)(self._open_shard)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def read(self, i: int) -> Record:
        """Return sample `i`, its picture still encoded. Raises BadSample, or IndexError outside [0, len)."""
        image, text, meta = self._read(i, ("image", "text", "json"))
        try:
            caption = text.decode("utf-8")
        except UnicodeDecodeError:
            raise BadSample("caption is not UTF-8") from None
        try:
            known = json.loads(meta) if meta else {}
        except ValueError:
            raise BadSample("metadata is not JSON") from None
        extension = "png" if image.startswith(b"\x89PNG") else "webp" if image[8:12] == b"WEBP" else "jpg"
        return Record(image, extension, caption, known)

    def caption(self, i: int) -> str:
        """Return the caption of sample `i` alone; bytes that are not UTF-8 are replaced."""
        return self._read(i, ("text",))[0].decode("utf-8", "replace")

    def _read(self, i: int, parts: tuple[str, ...]) -> list[bytes]:
        if not 0 <= i < len(self):
            raise IndexError(i)
        shard = int(np.searchsorted(self._ends, i, side="right"))
        file, rows = self._open(shard)
        row = rows[i - (int(self._ends[shard - 1]) if shard else 0)]
        base = int(row["image"])
        found = []
        for part in parts:
            offset, size = base + (0 if part == "image" else int(row[part])), int(row[f"{part}_size"])
            data = os.pread(file.fileno(), size, offset)
            if len(data) < size:
                raise BadSample("tar has shrunk")
            found.append(data)
        return found

    def _open_shard(self, shard: int) -> tuple[io.FileIO, Any]:
        rows = self._held[shard] if shard in self._held else open_index(self.tars[shard]).rows
        if len(rows) != self._counts[shard]:
            raise BadSample("tar has changed")
        return io.FileIO(self.tars[shard]), rows


def write_shards(folder: Path, records: Iterable[Record], per_shard: int = PER_SHARD) -> int:
    """Write `records` as folder/00000.tar, 00001.tar, ... and return how many there were."""
    total = 0
    buffer: list[Record] = []
    for record in records:
        buffer.append(record)
        total += 1
        if len(buffer) == per_shard:
            _write_shard(folder, total // per_shard - 1, buffer)
            buffer = []
    if buffer:
        _write_shard(folder, total // per_shard, buffer)
    return total


def _write_shard(folder: Path, shard: int, records: list[Record]) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for i, record in enumerate(records):
            key = f"{shard:05d}{i:04d}"
            meta = {"key": key, "status": "success", "caption": record.caption, **record.meta}
            _add(tar, f"{key}.{record.extension}", record.image)
            _add(tar, f"{key}.txt", record.caption.encode())
            _add(tar, f"{key}.json", json.dumps(meta).encode())
    write_atomic(folder / f"{shard:05d}.tar", out.getvalue())


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    # Owners and times keep their fixed defaults, so the same samples give the same bytes.
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _tars(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; make a data set first: majolica data openmoji --out DIR")
    tars = sorted(folder.glob("*.tar"))
    if not tars:
        inside = sorted(child.name for child in folder.iterdir() if child.is_dir() and any(child.glob("*.tar")))
        hint = f"; did you mean {folder / inside[-1]}?" if inside else "; make a data set first: majolica data openmoji"
        raise UserError(f"{folder} holds no .tar files{hint}")
    return tars
