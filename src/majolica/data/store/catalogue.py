"""One small file that says what a folder of tars holds: names, sizes and numbers of samples of all tars.

It saves time, because opening ten thousand indexes takes seconds and listing ten thousand files takes milliseconds. A
tar that is new or has changed is looked at again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from majolica.data.store.contents import list_contents
from majolica.data.store.index import MAGIC, open_index
from majolica.errors import UserError
from majolica.files import write_atomic
from majolica.machine import cores

NAME = ".catalogue.json"
_FORMAT = f"2 {MAGIC.decode()}"
"""Numbers of samples hold for one version of the index only, so that version is part of the format."""


@dataclass(frozen=True)
class Tar:
    """One tar: its file name, size in bytes, time of change in ns, number of samples, and how many of these have an
    empty caption."""

    name: str
    size: int
    mtime: int
    count: int
    empty: int = 0


@dataclass(frozen=True)
class Catalogue:
    """The tars of a folder, sorted by name."""

    tars: list[Tar]
    held: dict[str, Any]
    """The rows of those indexes that could not be saved beside their tars, by the name of the tar."""
    notices: tuple[str, ...]
    """One sentence for each thing in the folder that is passed over."""


def open_catalogue(folder: Path) -> Catalogue:
    """Return what `folder` holds, and index every tar that has no index yet. Raises UserError if there is no tar."""
    listed = list_contents(folder)
    known = {(tar.name, tar.size, tar.mtime): tar for tar in _load(folder / NAME)}
    fresh = [entry for entry in listed.tars if entry not in known]
    with ThreadPoolExecutor(min(16, cores())) as pool:
        looked = list(pool.map(lambda entry: _look(folder, *entry), fresh))
    known |= {entry: tar for entry, (tar, _) in zip(fresh, looked, strict=True)}
    held = {tar.name: rows for tar, rows in looked if rows is not None}
    tars = [known[entry] for entry in listed.tars]
    if fresh and not held:
        _save(folder / NAME, tars)
    return Catalogue(tars, held, listed.notices)


def _look(folder: Path, name: str, size: int, mtime: int) -> tuple[Tar, Any]:
    """Return what the index of a tar says, and its rows if they are only in memory.

    Rows in a mapped file are not returned, because each such file takes a file descriptor.
    """
    index = open_index(folder / name)
    tar = Tar(name, size, mtime, len(index.rows), index.empty)
    return tar, index.rows if tar.count and not isinstance(index.rows, np.memmap) else None


def parse_catalogue(data: bytes) -> list[Tar]:
    """Return the tars in the bytes of a saved catalogue; none if it is damaged or of another version."""
    try:
        saved = json.loads(data)
        return [Tar(*row) for row in saved["tars"]] if saved["format"] == _FORMAT else []
    except (ValueError, KeyError, TypeError, RecursionError):
        return []  # the catalogue only saves time; if it is missing or damaged, it is made again


def _load(path: Path) -> list[Tar]:
    try:
        return parse_catalogue(path.read_bytes())
    except OSError:
        return []


def _save(path: Path, tars: Iterable[Tar]) -> None:
    try:
        write_atomic(path, json.dumps({"format": _FORMAT, "tars": [astuple(tar) for tar in tars]}))
    except UserError:
        return  # a folder that cannot be written to can still be read
