"""Writing tars sample by sample. There is never more than one sample in memory, and never half a tar under its name."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from majolica.data.store.record import Record
from majolica.files import whole_file

PER_SHARD = 1000
"""Samples in a tar, unless a writer says otherwise."""


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
    pairs = ((f"{shard:05d}{i:04d}", record) for i, record in enumerate(records))
    write_tar(folder / f"{shard:05d}.tar", pairs)


def write_tar(path: Path, records: Iterable[tuple[str, Record]]) -> int:
    """Write (key, record) pairs as the tar `path` and return how many there were; if there is none, write no tar.

    The same records give the same bytes. Raises UserError if the disk refuses, and then leaves nothing behind.
    """
    pairs = iter(records)
    first = next(pairs, None)
    if first is None:
        return 0
    count = 0
    with whole_file(path) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for key, record in _with(first, pairs):
            _add_sample(tar, key, record)
            tar.members = []  # type: ignore[attr-defined]  # otherwise tarfile would keep every header in memory
            count += 1
    return count


def _add_sample(tar: tarfile.TarFile, key: str, record: Record) -> None:
    meta = {"key": key, "status": "success", "caption": record.caption, **record.meta}
    _add(tar, f"{key}.{record.extension}", record.image)
    _add(tar, f"{key}.txt", record.caption.encode("utf-8", "replace"))
    _add(tar, f"{key}.json", json.dumps(meta).encode())


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    # Owner and time keep their fixed defaults, so that the same samples give the same bytes.
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _with(first: tuple[str, Record], rest: Iterable[tuple[str, Record]]) -> Iterator[tuple[str, Record]]:
    yield first
    yield from rest
