"""Batches from shards. The position in the global order is the whole state, and it decides every sample."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from majolica.config.data import DataConfig
from majolica.config.split import scale_at
from majolica.data.loading.buffers import Buffers
from majolica.data.loading.reader import Reader, Row, SampleRequest
from majolica.data.loading.sources import hash_manifests, open_sources
from majolica.data.loading.threads import ReadTask, Threads, cancel_tasks
from majolica.data.order.resume import check_data, check_order, saved_unit
from majolica.data.order.sample_order import SampleOrder
from majolica.data.store.fingerprint import hash_content, hash_stamps
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError
from majolica.plurals import counted
from majolica.properties.categories import NO_CATEGORIES, EncodeName

log = logging.getLogger(__name__)

_PART = 16
"""The most rows in a task. A task for each row would take more time than decoding a small picture."""


@dataclass(frozen=True)
class LoaderSizes:
    """The sizes in which pictures are needed: all at the base resolution, and some larger as well."""

    resolution: int
    scales: tuple[int, ...] = (2,)
    """How many times larger."""
    fine: int = 0
    """At so many of the first places of each global micro-batch, a picture with enough pixels is also kept larger, at
    the scale that `majolica.config.split.scale_at` says."""
    patch: int = 1
    """The sides of the shapes of buckets are multiples of it."""


@dataclass(frozen=True)
class Batch:
    """The rows of a global batch that one process has."""

    images_B3HW: Tensor
    """Pictures at the base resolution, uint8, channels last in memory."""
    captions: list[str]
    positions_B: Tensor
    """Places in the global order, int64; (seed, position) decides how a row is augmented."""
    large: dict[int, Tensor]
    """Some of the rows again, at each scale: uint8, `F3HW`, that many times larger."""
    large_rows: dict[int, tuple[int, ...]]
    """Which rows these are, ascending."""
    places_B: Tensor
    """Places in the global micro-batch, int64, ascending; they decide how a row is used."""
    columns: dict[str, Tensor] = field(default_factory=dict)
    """The properties that are read from metadata, `(B,)` each, NaN where there is none."""
    faults: tuple[str, ...] = ()
    """Why samples could not be read in whose places others stand, one reason a sample."""


@dataclass(frozen=True)
class _Reading:
    """A batch that is being read; the tasks write their pictures into it."""

    start: int
    """Position of the first row of the global micro-batch."""
    images_B3HW: Tensor
    parts: list[ReadTask[list[Row]]]


@dataclass
class _Tally:
    """What a source has delivered so far."""

    rows: int = 0
    faults: Counter[str] = field(default_factory=Counter)


class Loader:
    """An endless iterator over batches from a mixture of shards, which are shuffled anew in each epoch.

    Rank r of `world` takes the rows r, r + world, ... of each global batch of `batch * world` rows, so the global order
    is the same for any number of ranks, threads and batches that are read ahead. A sample that cannot be read is
    counted, and replaced by another sample of its source, which depends only on (seed, position). Raises UserError if
    the share of such samples in a source is more than `config.bad_share`. `columns` are the properties that are read
    from metadata, and `categories` say which value a name has, for those that are names.
    """

    def __init__(
        self,
        config: DataConfig,
        batch: int,
        size: LoaderSizes,
        seed: int,
        rank: int = 0,
        world: int = 1,
        columns: tuple[str, ...] = (),
        categories: Mapping[str, EncodeName] = NO_CATEGORIES,
    ) -> None:
        if batch < 1 or not 0 <= rank < world:
            raise ValueError(f"batch {batch}, rank {rank} of {world}")
        self.config, self.batch, self.size, self.seed = config, batch, size, seed
        self.rank, self.world = rank, world
        self.sets: list[ShardSet] = open_sources(config)
        if rank == 0:
            for notice in (notice for shards in self.sets for notice in shards.notices):
                log.warning("%s", notice)
        sizes = [len(shards) for shards in self.sets]
        dimensions = [shards.dimensions() for shards in self.sets] if config.buckets else []
        self.order = SampleOrder(sizes, dimensions, config, size.resolution, size.patch, seed, batch * world)
        self.position = 0
        self.tallies = [_Tally() for _ in self.sets]
        self._manifest = hash_manifests(self.sets)
        self._columns = columns
        self._reader = Reader(self.sets, max(size.scales) if size.fine else 1, seed, config, columns, categories)
        self._threads = Threads(config.threads, "majolica-data")
        self._buffers = Buffers(config.ahead + 2)
        self._ahead: deque[_Reading] = deque()
        self._reach = 0
        """The first position whose samples have not been announced to remote stores yet."""
        self._remote = any(shards.remote for shards in self.sets)

    def __len__(self) -> int:
        """Return the number of samples in all sources together."""
        return sum(len(shards) for shards in self.sets)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        step = self.batch * self.world
        while len(self._ahead) <= self.config.ahead:
            self._ahead.append(self._submit(self.position + len(self._ahead) * step))
        self.position += step
        reading = self._ahead.popleft()
        rows = [row for part in self._threads.results(reading.parts) for row in part]
        self._count(rows)
        return _collate(rows, reading, self.size.scales, self._columns)

    @property
    def faults(self) -> Counter[str]:
        """How many samples could not be read, by reason, over all sources."""
        return sum((tally.faults for tally in self.tallies), Counter())

    def state(self) -> dict[str, Any]:
        """Return, as JSON, what `load` needs to go on after the last batch that was delivered."""
        order = self.order.signature()
        return {
            "position": self.position,
            "seed": self.seed,
            "manifest": self._manifest,
            "order": order,
            **self._identity,
        }

    def load(self, state: dict[str, Any]) -> list[str]:
        """Go on from `state`, with any number of threads, and any ranks and batch that the order allows.

        Returns a sentence on each thing that the user should know. Raises UserError if the shards have changed, or if
        the order of the saved run cannot be kept.
        """
        here = self.state()
        notes = check_data(state, here, self.config) + check_order(state, here)
        self.order.use_unit(saved_unit(state, self.order.signature(), self.batch * self.world))
        self._drop()
        self.position = self._reach = int(state["position"])
        return notes

    @cached_property
    def _identity(self) -> dict[str, list[str]]:
        """Hashes of what the sources hold, by which they are recognised later."""
        return {
            "content": [hash_content(shards) for shards in self.sets],
            "stamps": [hash_stamps(shards) for shards in self.sets],
        }

    def close(self) -> None:
        """Stop the threads, and remove what was kept of remote shards on the local disk."""
        self._drop()
        self._threads.close()
        for shards in self.sets:
            shards.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drop(self) -> None:
        for reading in self._ahead:
            cancel_tasks(reading.parts)
        self._ahead.clear()

    def _positions(self, start: int) -> NDArray[np.int64]:
        return start + np.arange(self.rank, self.batch * self.world, self.world, dtype=np.int64)

    def _submit(self, start: int) -> _Reading:
        positions = self._positions(start)
        spot = self.order.at(positions)
        if self._remote:
            self._announce(start)
        columns = (positions, spot.source_B, spot.sample_B)
        requests = [
            SampleRequest(position, source, sample, spot.shape, self._scale_at(position - start))
            for position, source, sample in zip(*(column.tolist() for column in columns), strict=True)
        ]
        images_B3HW = self._buffers.take(len(requests), *spot.shape, 3).permute(0, 3, 1, 2)
        each = min(_PART, -(-len(requests) // max(1, self.config.threads)))
        parts = [slice(i, i + each) for i in range(0, len(requests), each)]
        work = (partial(self._read, requests[part], images_B3HW[part]) for part in parts)
        return _Reading(start, images_B3HW, [self._threads.submit(one) for one in work])

    def _scale_at(self, place: int) -> int:
        return scale_at(place, self.size.scales) if place < self.size.fine else 1

    def _read(self, requests: list[SampleRequest], images_P3HW: Tensor) -> list[Row]:
        return [self._reader.row(request, image_3HW) for request, image_3HW in zip(requests, images_P3HW, strict=True)]

    def _announce(self, start: int) -> None:
        """Tell remote stores which samples come next."""
        step = self.batch * self.world
        end = start + step + self.config.remote_ahead * self.world
        for begin in range(max(start, self._reach), end, step):
            spot = self.order.at(self._positions(begin))
            for source, sample in zip(spot.source_B, spot.sample_B, strict=True):
                self.sets[source].prefetch(int(sample))
            self._reach = begin + step

    def _count(self, rows: list[Row]) -> None:
        # Rows are counted when they are delivered, so that reading ahead cannot change when training stops.
        for row in rows:
            self.tallies[row.source].rows += 1
            self.tallies[row.source].faults.update(row.faults)
        for shards, tally in zip(self.sets, self.tallies, strict=True):
            share, bad = self.config.bad_share, tally.faults.total()
            tried = tally.rows + bad  # every row has one sample that could be read
            enough = not share or tally.rows * share >= 1 or tally.rows >= len(shards)
            if enough and bad > share * tried:
                reasons = ", ".join(f"{count} x {reason}" for reason, count in tally.faults.most_common())
                raise UserError(
                    f"{bad:,} of the {counted(tried, 'sample')} read so far in {shards.folder} cannot be read"
                    f" ({reasons}), a share of {bad / tried:.2g}: repair the data, or raise --data.bad-share, which is"
                    f" {share:g}"
                )


def _collate(rows: list[Row], reading: _Reading, scales: tuple[int, ...], columns: tuple[str, ...]) -> Batch:
    images_B3HW = reading.images_B3HW
    height, width = images_B3HW.shape[2:]
    large, large_rows = {}, {}
    for scale in scales:
        size = (3, scale * height, scale * width)
        fine = {
            i: row.fine_3HW for i, row in enumerate(rows) if row.fine_3HW is not None and row.fine_3HW.shape == size
        }
        large[scale] = torch.stack(list(fine.values())) if fine else images_B3HW.new_empty((0, *size))
        large_rows[scale] = tuple(fine)
    positions_B = torch.tensor([row.position for row in rows])
    return Batch(
        images_B3HW=images_B3HW,
        captions=[row.caption for row in rows],
        positions_B=positions_B,
        large=large,
        large_rows=large_rows,
        places_B=positions_B - reading.start,
        columns={name: torch.tensor([row.columns[i] for row in rows]) for i, name in enumerate(columns)},
        faults=tuple(fault for row in rows for fault in row.faults),
    )
