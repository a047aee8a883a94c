"""A folder of tar shards in the layout of img2dataset, of which any sample can be read by its offset.

A sample with key 000010042 is the members 000010042.jpg (or .png, .webp, ...), .txt (its caption) and .json (what is
known of it).
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from majolica.data.pictures.faults import BadSample
from majolica.data.store.caption_text import EmptyCaptions, json_mapping
from majolica.data.store.catalogue import Tar
from majolica.data.store.dimensions import read_dimensions
from majolica.data.store.index import caption_bytes
from majolica.data.store.local import LocalTars, Opened
from majolica.data.store.naming import understand
from majolica.data.store.record import Pair, Record, extension_of
from majolica.data.store.remote import RemoteTars, is_remote
from majolica.data.store.tar import BLOCK, is_header_of, name_at
from majolica.errors import UserError, to_printable
from majolica.plurals import counted, plural

REMOTE_LIMIT = 20 * 10**9
"""How many bytes of remote tars are kept on the local disk, unless a reader says otherwise."""


class ShardSet:
    """Every usable sample of the tars in a folder, numbered in the order of file names and of members.

    The folder may be a URL that fsspec knows: then at most `limit` bytes of its tars are kept in `cache` at a time.
    Samples whose caption is empty have no number, unless `empty_captions` is "keep".
    Safe to read from many threads. Raises UserError when there is nothing to read.
    """

    def __init__(
        self,
        folder: Path | str,
        cache: Path | None = None,
        limit: int = REMOTE_LIMIT,
        empty_captions: EmptyCaptions = "skip",
    ) -> None:
        place = str(folder)
        if not place:
            raise UserError("no folder of shards is given: an empty name would mean the current folder")
        self._tars = RemoteTars(place, cache, limit) if is_remote(place) else LocalTars(Path(place))
        self.folder, self.remote = place, is_remote(place)
        self._skip = empty_captions == "skip"
        self.empty = sum(tar.empty for tar in self._tars.tars)
        """Number of samples whose caption is empty, whether they are left out or not."""
        self.tars = [replace(tar, count=tar.count - tar.empty * self._skip) for tar in self._tars.tars]
        self._ends = np.cumsum([tar.count for tar in self.tars])
        if self._ends[-1] == 0:
            self.close()
            raise UserError(self._nothing())
        self.passed_over = self._tars.notices
        """Sentences on things in the folder that are not read."""
        self.notices = (*self.passed_over, *self._on_empty_captions())
        """The same sentences, and one on empty captions if there are any."""
        lines = "\n".join(f"{tar.name} {tar.size} {tar.count}" for tar in self.tars)
        self.manifest = hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()
        """Hash of the names, sizes and numbers of samples of the tars; equal manifests mean the same numbering."""
        # The cache is bounded, so that a folder of 100,000 tars does not use up all file descriptors. An evicted file
        # is closed when its last reader lets go of it.
        self._open = lru_cache(maxsize=128)(self._open_shard)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def read(self, i: int) -> Record:
        """Return sample `i` with its metadata. Raises BadSample, or IndexError outside [0, len)."""
        image, text, meta = self._read(i, ("image", "text", "json"))
        caption = _decode_caption(text)
        known = json_mapping(meta) if meta else {}
        fault = "metadata that is no JSON mapping" if known is None else ""
        return Record(image, extension_of(image), caption, known or {}, fault)

    def read_pair(self, i: int) -> Pair:
        """Return the picture and the caption of sample `i`; raises as `read`.

        The .json is neither read nor parsed, unless the caption is a field of it.
        """
        image, text = self._read(i, ("image", "text"))
        return Pair(image, _decode_caption(text))

    def caption(self, i: int) -> str:
        """Return the caption of sample `i` alone; bytes that are not UTF-8 are replaced. Raises BadSample."""
        return self._read(i, ("text",))[0].decode("utf-8", "replace")

    def prefetch(self, i: int) -> None:
        """Begin to fetch sample `i`, if it lies in a remote store."""
        shard, row = self._row(i)
        shard.prefetch(int(row["image"]), int(row["image_size"]))

    def place_of(self, i: int) -> str:
        """Where sample `i` lies, for people: its tar and its key; its number in the tar where no header can be read."""
        shard, row = self._numbers(i)
        tar = to_printable(f"{self.folder.rstrip('/')}/{self.tars[shard].name}")
        try:
            opened = self._open(shard)
            name = name_at(opened.peek or opened.read, int(opened.rows[row]["image"]))
        except (BadSample, UserError, OSError, ValueError, OverflowError):
            name = ""
        known = understand(name)
        return (
            f'{tar}: sample "{to_printable(known.key.lstrip("/"))}"' if known else f"{tar}: sample {row:,} of the tar"
        )

    def dimensions(self) -> NDArray[np.uint16]:
        """Return height and width `(N, 2)` of every picture, from the headers; they are kept beside local tars."""
        with ThreadPoolExecutor(16) as pool:
            return np.concatenate(list(pool.map(self._dimensions, self.tars)))

    def _dimensions(self, tar: Tar) -> NDArray[np.uint16]:
        path = None if self.remote else Path(self.folder, tar.name).with_suffix(".dims")
        try:
            opened = self._tars.open(tar)
        except OSError as error:
            raise UserError(f"cannot read {tar.name} in {self.folder}: {error.strerror}") from error
        return read_dimensions(opened, path, tar.size, tar.mtime)[self._numbered(opened.rows)]

    def open_tar(self, tar: int) -> Opened:
        """Return a tar, by its place among `tars`, ready to be read; its rows are in the order of the numbers of the
        samples.

        Raises BadSample.
        """
        return self._open(tar)

    @property
    def stamps(self) -> list[str]:
        """For each tar, a text that changes when somebody writes to the tar."""
        return self._tars.stamps()

    def close(self) -> None:
        """Remove what was kept of remote tars on the local disk."""
        self._tars.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _row(self, i: int) -> tuple[Opened, Any]:
        shard, row = self._numbers(i)
        opened = self._open(shard)
        return opened, opened.rows[row]

    def _numbers(self, i: int) -> tuple[int, int]:
        """Which tar sample `i` is in, and which row of its index it has."""
        if not 0 <= i < len(self):
            raise IndexError(i)
        shard = int(np.searchsorted(self._ends, i, side="right"))
        return shard, i - (int(self._ends[shard - 1]) if shard else 0)

    def _read(self, i: int, parts: tuple[str, ...]) -> list[bytes]:
        shard, row = self._row(i)
        base = int(row["image"])
        found = []
        for part in parts:
            offset, size = base + (0 if part == "image" else int(row[part])), int(row[f"{part}_size"])
            try:
                data = self._member(shard, offset, size)
            except (OSError, ValueError, OverflowError):  # a failing disk, or nonsense in a damaged index
                raise BadSample("tar cannot be read") from None
            if len(data) < size:
                raise BadSample("tar has shrunk")
            found.append(caption_bytes(row, data) if part == "text" else data)
        return found

    def _member(self, shard: Opened, offset: int, size: int) -> bytes:
        """Return the bytes of a member.

        The index of a local tar has the time of that tar, but a store may have an old index beside a tar that was
        written again. So the header in front of the member is compared there.
        """
        if not self.remote or not size:
            return shard.read(offset, size)
        data = shard.read(offset - BLOCK, size + BLOCK)
        if not is_header_of(data[:BLOCK], size):
            raise BadSample("index is that of another tar")
        return data[BLOCK:]

    def _open_shard(self, shard: int) -> Opened:
        try:
            opened = self._tars.open(self.tars[shard])
        except OSError:  # it was there when the folder was listed, but we may not read it
            raise BadSample("tar cannot be opened") from None
        if self.empty and self._skip:
            opened = replace(opened, rows=opened.rows[self._numbered(opened.rows)])
        if len(opened.rows) != self.tars[shard].count:
            raise BadSample("tar has changed")
        return opened

    def _numbered(self, rows: Any) -> NDArray[np.bool_]:
        """Return which rows of an index have a number."""
        return np.asarray(rows["text_size"] > 0) if self._skip else np.ones(len(rows), bool)

    def _nothing(self) -> str:
        if self.empty:
            return (
                f"every caption in {self.folder} is empty ({self.empty:,} in all), and samples without words are left"
                " out: give the pictures captions, or train on them with --data.empty-captions keep"
            )
        why = "" if self.remote else f"; `majolica data index {self.folder} --rebuild` says why"
        return f"no tar in {self.folder} holds a whole picture with its caption{why}"

    def _on_empty_captions(self) -> list[str]:
        if not self.empty:
            return []
        total = sum(tar.count for tar in self._tars.tars)
        captions, is_are = counted(total, "caption"), plural(self.empty, "is", "are")
        what = f"{self.empty:,} of {captions} in {self.folder} {is_are} empty"
        return [f"{what}: such samples are {'left out' if self._skip else 'kept'} (--data.empty-captions)"]


def _decode_caption(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise BadSample("caption is not UTF-8") from None
