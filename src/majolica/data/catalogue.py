"""What a folder of tars holds, known at once: names, sizes and sample counts of all tars in one small file.

Opening ten thousand indexes takes seconds; looking at ten thousand directory entries takes milliseconds. A tar that
is new or has changed is looked at again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from majolica.data.index import open_index
from majolica.errors import UserError
from majolica.files import write_atomic
from majolica.machine import cores

NAME = ".catalogue.json"
_FORMAT = 1


@dataclass(frozen=True)
class Tar:
    """One tar: file name, size in bytes, time of change in ns, usable samples."""

    name: str
    size: int
    mtime: int
    count: int


def catalogue(folder: Path) -> tuple[list[Tar], dict[str, Any]]:
    """Every tar of `folder` by name, and the rows of those indexes that could not be saved beside their tars.

    Indexes what has no index yet. UserError when there is no tar at all.
    """
    found = sorted(_entries(folder))
    known = {(tar.name, tar.size, tar.mtime): tar for tar in _load(folder / NAME)}
    fresh = [entry for entry in found if entry not in known]
    with ThreadPoolExecutor(min(16, cores())) as pool:
        indexes = dict(zip(fresh, pool.map(lambda entry: open_index(folder / entry[0]).rows, fresh), strict=True))
    known |= {entry: Tar(*entry, len(rows)) for entry, rows in indexes.items()}
    tars = [known[entry] for entry in found]
    held = {name: rows for (name, _, _), rows in indexes.items() if len(rows) and not isinstance(rows, np.memmap)}
    if fresh and not held:
        _save(folder / NAME, tars)
    return tars, held


def _entries(folder: Path) -> list[tuple[str, int, int]]:
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; make a data set first: majolica data openmoji --out DIR")
    with os.scandir(folder) as entries:
        tars = [(e.name, e.stat().st_size, e.stat().st_mtime_ns) for e in entries if e.name.endswith(".tar")]
    if not tars:
        inside = sorted(child.name for child in folder.iterdir() if child.is_dir() and any(child.glob("*.tar")))
        hint = f"; did you mean {folder / inside[-1]}?" if inside else "; make a data set first: majolica data openmoji"
        raise UserError(f"{folder} holds no .tar files{hint}")
    return tars


def _load(path: Path) -> list[Tar]:
    try:
        saved = json.loads(path.read_bytes())
        return [Tar(*row) for row in saved["tars"]] if saved["format"] == _FORMAT else []
    except (OSError, ValueError, KeyError, TypeError):
        return []  # it only saves time: what is missing or damaged is made again


def _save(path: Path, tars: Iterable[Tar]) -> None:
    try:
        write_atomic(path, json.dumps({"format": _FORMAT, "tars": [astuple(tar) for tar in tars]}))
    except UserError:
        return  # a folder that cannot be written to is read all the same
