"""The rows of a source are written to temporary files, one for each split, and a shard is a stretch of such a file.

So it is decided which picture goes into which shard before any of them is read.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from majolica.config.shard import ShardConfig
from majolica.data.folder.listing import ListedRow, rows
from majolica.errors import UserError
from majolica.files import whole_file
from majolica.plurals import counted

SPLITS = ("train", "heldout")
"""Folders of the shards where some pictures are held out; else they lie in the data set's own."""
_SPOOL = ".rows"
_SPOOLS = ("first", "second")


@dataclass(frozen=True)
class ShardTask:
    """A shard that is to be made from a stretch of a spool file."""

    folder: str
    """Folder of the shard."""
    spool: str
    number: int
    offset: int
    size: int
    rows: int

    @property
    def name(self) -> str:
        """Number of the shard, as it stands in the names of its files."""
        return f"{self.number:05d}"

    @property
    def tar(self) -> Path:
        """Path of the shard."""
        return Path(self.folder) / f"{self.name}.tar"

    @property
    def statistics(self) -> Path:
        """Path of the file that says what became of its rows; if it is there, the shard is done."""
        return Path(self.folder) / f"{self.name}_stats.json"


def spool_rows(config: ShardConfig, out: Path) -> list[ShardTask]:
    """Write the rows of each split to a file of its own, and return the stretches of these files that make the
    shards."""
    drop_spool(out)
    threshold = _threshold(config)
    splits = SPLITS if config.heldout else ("",)
    tasks: list[ShardTask] = []
    with whole_file(out / _SPOOL / _SPOOLS[0]) as first, whole_file(out / _SPOOL / _SPOOLS[1]) as second:
        files = (first, second)
        waiting = [ShardTask(str(out / split), name, 0, 0, 0, 0) for split, name in zip(splits, _SPOOLS, strict=False)]
        for row in rows(config):
            side = int(_hash(row) < threshold)
            line = json.dumps(row).encode() + b"\n"
            files[side].write(line)
            now = waiting[side]
            now = replace(now, size=now.size + len(line), rows=now.rows + 1)
            if now.rows == config.per_shard:
                tasks.append(now)
                now = replace(now, number=now.number + 1, offset=now.offset + now.size, size=0, rows=0)
            waiting[side] = now
    tasks += [task for task in waiting if task.rows]
    if tasks and all(task.spool == _SPOOLS[1] for task in tasks):
        there = f"{config.source} has {counted(sum(task.rows for task in tasks), 'picture')}"
        raise UserError(f"{there}, and --heldout {config.heldout:g} leaves none to train on: give a smaller one")
    return sorted(tasks, key=lambda task: (task.spool, task.number))


def _threshold(config: ShardConfig) -> int:
    """Return the number below which the hash of a row means that the row is held out.

    If a number of rows is to be held out, and not a share, this reads all rows once.
    """
    if config.heldout < 1:
        return int(config.heldout * 2**64)
    number = int(config.heldout)
    largest: list[int] = []  # a heap of the `number` smallest hashes, negated, so that the largest of them is on top
    for row in rows(config):
        if len(largest) < number:
            heapq.heappush(largest, -_hash(row))
        else:
            heapq.heappushpop(largest, -_hash(row))
    if len(largest) < number:
        there = f"{config.source} has only {len(largest):,}"
        raise UserError(f"{counted(number, 'picture')} shall be held out, but {there}")
    return 1 - largest[0]


def _hash(row: ListedRow) -> int:
    """Return the first 8 bytes, big-endian, of the SHA-256 of the path of a picture as it is written."""
    path = str(row["path"]).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(path).digest()[:8], "big")


def read_spool(task: ShardTask, out: Path) -> Iterator[ListedRow]:
    """Yield the rows of a shard from the spool in `out`."""
    with (out / _SPOOL / task.spool).open("rb") as file:
        file.seek(task.offset)
        for _ in range(task.rows):
            yield json.loads(file.readline())


def drop_spool(out: Path) -> None:
    """Remove the spool in `out`, if there is one."""
    shutil.rmtree(out / _SPOOL, ignore_errors=True)
