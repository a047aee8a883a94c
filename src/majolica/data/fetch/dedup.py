"""Pictures with the same bytes are kept once: when all shards are there, later copies are taken out of their tars.

Which copy stays must not depend on which shard was finished first, or on the number of machines, so it is decided at
the end: the first by key stays, but one with a caption stays before those without, which training leaves out. Hashes
are spread over files by their first bits and are compared one file at a time, so memory is bounded whatever the number
of pictures.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from majolica.data.fetch import status
from majolica.data.fetch.plan import FetchPlan
from majolica.data.fetch.result import count_statuses
from majolica.data.fetch.shard_files import shard_file, stats_path
from majolica.data.store.caption_text import is_blank
from majolica.data.store.index import open_index
from majolica.errors import UserError
from majolica.files import write_atomic
from majolica.plurals import counted, plural

PER_PART = 4_000_000
"""Pictures in one part; it takes about 200 MB while it is compared."""
_ENTRY = np.dtype([("high", ">u8"), ("low", ">u8"), ("silent", "?"), ("shard", "<u4"), ("row", "<u4")])
# 128 bits of the hash are enough: among 2 billion pictures, two different ones collide with a probability of 1e-20.
_LOSS = np.dtype([("shard", "<u4"), ("row", "<u4"), ("first_shard", "<u4"), ("first_row", "<u4")])


def drop_duplicates(folder: Path, plan: FetchPlan, per_part: int = PER_PART, say: Callable[[str], None] = print) -> int:
    """Remove pictures from the finished shards if another key that comes first has the same bytes; return how many.

    It may be killed and repeated safely, because the table of a shard, which says what is left to do, is written last.
    """
    last = plan.generations[-1]
    shards = range(last.first + last.shards)
    try:
        with ExitStack() as stack:
            total = sum(_stats(folder, plan, shard)["successes"] for shard in shards)
            parts = max(1, -(-total // per_part))
            files = [stack.enter_context(TemporaryFile(dir=folder)) for _ in range(min(parts, 512))]
            for shard in shards:
                _spread(_entries(folder, plan, shard), files)
            lost = [_losses(_entries_of(file)) for file in files]
    except OSError as error:
        raise UserError(f"cannot look for duplicates in {folder}: {error.strerror or error}") from error
    losses = np.concatenate(lost)
    if len(losses):
        pictures, shards_of_them = len(losses), len(np.unique(losses["shard"]))
        what = plural(pictures, "is a copy of another one and leaves", "are copies of others and leave")
        say(f"{counted(pictures, 'picture')} {what} {counted(shards_of_them, 'shard')}")
    losses = losses[np.lexsort((losses["row"], losses["shard"]))]
    _rename_originals(folder, plan, losses)
    for piece in np.split(losses, np.flatnonzero(np.diff(losses["shard"])) + 1) if len(losses) else []:
        _rewrite(folder, plan, piece)
    return len(losses)


def _entries(folder: Path, plan: FetchPlan, shard: int) -> NDArray[Any]:
    kept = plan.empty_captions == "keep"  # otherwise no picture is stored without a caption
    columns = ["status", "sha256", *(["caption"] if kept else [])]
    table = pq.read_table(folder / f"{plan.name(shard)}.parquet", columns=columns)
    words = np.array(table.column("status").to_pylist(), object)
    rows = np.flatnonzero(words == status.SUCCESS)
    hashes = b"".join(bytes.fromhex(text[:32]) for text in table.column("sha256").take(pa.array(rows)).to_pylist())
    entries = np.empty(len(rows), _ENTRY)
    halves = np.frombuffer(hashes, ">u8").reshape(-1, 2)
    entries["high"], entries["low"], entries["shard"], entries["row"] = halves[:, 0], halves[:, 1], shard, rows
    entries["silent"] = [is_blank(str(table["caption"][row])) for row in rows.tolist()] if kept else False
    return entries


def _spread(entries: NDArray[Any], files: Sequence[IO[bytes]]) -> None:
    part = entries["high"].astype(np.uint64) % np.uint64(len(files))
    for number, file in enumerate(files):
        if len(chosen := entries[part == number]):
            file.write(chosen.tobytes())


def _entries_of(file: IO[bytes]) -> NDArray[Any]:
    file.flush()
    file.seek(0)
    return np.frombuffer(file.read(), _ENTRY)


def _losses(entries: NDArray[Any]) -> NDArray[Any]:
    """Return the entries whose hash another entry before them has, each with the first of these.

    Those with a caption come first, and then the order is that of the keys.
    """
    order = (entries["row"], entries["shard"], entries["silent"], entries["low"], entries["high"])
    entries = entries[np.lexsort(order)]
    new = np.ones(len(entries), bool)
    new[1:] = (entries["high"][1:] != entries["high"][:-1]) | (entries["low"][1:] != entries["low"][:-1])
    first = entries[np.maximum.accumulate(np.where(new, np.arange(len(entries)), 0))] if len(entries) else entries
    losses = np.empty(int((~new).sum()), _LOSS)
    losses["shard"], losses["row"] = entries["shard"][~new], entries["row"][~new]
    losses["first_shard"], losses["first_row"] = first["shard"][~new], first["row"][~new]
    return losses


def _rename_originals(folder: Path, plan: FetchPlan, losses: NDArray[Any]) -> None:
    """Let copies that name a picture which leaves name the one that stays.

    Only copies that left before can name one, and only if what stays now came later, with a caption, by a retry. This
    is done before anything is removed, so that it is done again if the process is killed.
    """
    later = losses[losses["first_shard"] > losses["shard"]]
    moved = {
        plan.key(int(loss["shard"]), int(loss["row"])): plan.key(int(loss["first_shard"]), int(loss["first_row"]))
        for loss in later
    }
    last = plan.generations[-1]
    for shard in range(last.first + last.shards) if moved else ():
        path = folder / f"{plan.name(shard)}.parquet"
        known = pq.read_table(path, columns=["duplicate_of"]).column(0).to_pylist()
        if moved.keys() & set(known):
            _replace_columns(path, pq.read_table(path), duplicate_of=[moved.get(key, key) for key in known])


def _replace_columns(path: Path, table: pa.Table, **columns: list[Any]) -> None:
    """Write `table` to `path` with other values in some columns of text."""
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values, pa.string()))
    with shard_file(path) as file:
        pq.write_table(table, file, compression="zstd")


def _rewrite(folder: Path, plan: FetchPlan, losses: NDArray[Any]) -> None:
    """Remove the rows of `losses`, which are all of one shard, from its tar; then update statistics and table."""
    name = plan.name(int(losses["shard"][0]))
    table = pq.read_table(folder / f"{name}.parquet")
    keys = table.column("key").to_pylist()
    words, copies = table.column("status").to_pylist(), table.column("duplicate_of").to_pylist()
    gone: dict[str, str] = {}
    for loss in losses:
        row = int(loss["row"])
        words[row] = status.DUPLICATE
        gone[keys[row]] = copies[row] = plan.key(int(loss["first_shard"]), int(loss["first_row"]))
    # Copies inside this shard may name a picture that is removed now; they must name the one that stays.
    copies = [gone.get(copy, copy) for copy in copies]
    _filter_tar(folder / f"{name}.tar", gone)
    open_index(folder / f"{name}.tar")
    stored = table.column("stored_bytes").to_pylist()
    statistics = _stats(folder, plan, int(losses["shard"][0])) | count_statuses(words, stored)
    write_atomic(stats_path(folder, name), json.dumps(statistics, indent=2))
    _replace_columns(folder / f"{name}.parquet", table, status=words, duplicate_of=copies)


def _filter_tar(path: Path, gone: Mapping[str, str]) -> None:
    with (
        tarfile.open(path, "r:") as old,
        shard_file(path) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as new,
    ):
        for member in old:
            if member.name.partition(".")[0] not in gone:
                new.addfile(member, old.extractfile(member))
            old.members = []  # type: ignore[attr-defined]  # otherwise tarfile would keep every header in memory
            new.members = []  # type: ignore[attr-defined]


def _stats(folder: Path, plan: FetchPlan, shard: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stats_path(folder, plan.name(shard)).read_text())
    return found
