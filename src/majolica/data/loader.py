"""Batches from shards: the position in the global order is the whole state, and fixes every sample."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from majolica.config.schema import DataConfig
from majolica.data.counter import mix
from majolica.data.decode import decode, square
from majolica.data.order import sample_index
from majolica.data.shards import BadSample, ShardSet
from majolica.errors import UserError

log = logging.getLogger(__name__)

_SUBSTITUTES = 16
_STREAM = 0x5B
_BLOCK = 4096


@dataclass(frozen=True)
class Batch:
    """One process's rows of a global batch."""

    images_B3HW: Tensor
    """uint8."""
    captions: list[str]
    metas: list[dict[str, Any]]
    positions_B: Tensor
    """int64: places in the global order; (seed, position) fixes each row's augmentation."""


@dataclass(frozen=True)
class _Row:
    image_3HW: Tensor
    caption: str
    meta: dict[str, Any]
    faults: tuple[str, ...] = ()
    """Why samples before this one could not be used at this position."""


class Loader:
    """An endless iterator of batches over the shards in `folder`, shuffled anew each epoch.

    Rank r of `world` takes rows r, r + world, ... of each global batch of `batch * world`. Pictures are cut
    to the central square and scaled to `resolution`. A sample that cannot be read is replaced by another,
    chosen by (seed, position) alone, and counted in `faults`; UserError when their share passes
    `config.bad_share`.
    """

    def __init__(
        self,
        folder: Path,
        config: DataConfig,
        batch: int,
        resolution: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if batch < 1 or not 0 <= rank < world:
            raise ValueError(f"batch {batch}, rank {rank} of {world}")
        self.shards = ShardSet(folder)
        self.config, self.batch, self.resolution, self.seed = config, batch, resolution, seed
        self.rank, self.world = rank, world
        self.position = 0
        self.rows = 0
        """Rows delivered by this object."""
        self.faults: Counter[str] = Counter()
        self._named: set[int] = set()
        self._cache: dict[int, _Row | str] = {}
        # A call of sample_index costs the same for 64 positions as for 1,000, so it is asked for blocks.
        self._order = lru_cache(maxsize=2)(self._order_of_block)
        self._threads = max(1, config.threads)
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="majolica-data")
        self._ahead: list[Future[list[_Row]]] = []

    def __len__(self) -> int:
        """Return the number of samples in one epoch."""
        return len(self.shards)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        pending = self._ahead or self._submit(self.position)
        positions = self._positions(self.position)
        self.position += self.batch * self.world
        self._ahead = self._submit(self.position)
        rows = [row for part in pending for row in part.result()]
        self._count(rows)
        return Batch(
            torch.stack([row.image_3HW for row in rows]),
            [row.caption for row in rows],
            [row.meta for row in rows],
            torch.from_numpy(positions),
        )

    def state(self) -> dict[str, Any]:
        """Return what `load` needs to go on after the last batch that was delivered."""
        return {"position": self.position, "seed": self.seed, "manifest": self.shards.manifest}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`, with any threads, ranks or batch. UserError when the shards have changed."""
        if state["manifest"] != self.shards.manifest:
            raise UserError(
                f"the shards in {self.shards.folder} are not those of the saved run; put them back, or start anew"
            )
        if state["seed"] != self.seed:
            raise UserError(
                f"the saved run read its data with seed {state['seed']}, not {self.seed}; use the same seed"
            )
        self._drop()
        self.position = int(state["position"])

    def close(self) -> None:
        """Stop the threads."""
        self._drop()
        self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drop(self) -> None:
        for future in self._ahead:
            future.cancel()
        self._ahead = []

    def _positions(self, start: int) -> NDArray[np.int64]:
        return start + np.arange(self.rank, self.batch * self.world, self.world, dtype=np.int64)

    def _order_of_block(self, block: int) -> NDArray[np.int64]:
        positions = np.arange(block * _BLOCK, (block + 1) * _BLOCK, dtype=np.int64)
        return sample_index(positions, len(self.shards), self.seed)

    def _submit(self, start: int) -> list[Future[list[_Row]]]:
        positions = self._positions(start)
        block, place = np.divmod(positions, _BLOCK)
        samples = np.array([self._order(int(b))[p] for b, p in zip(block, place, strict=True)])
        # One piece per thread: a future per row would cost more than decoding a small picture.
        parts = np.array_split(np.stack([positions, samples]), min(self._threads, self.batch), axis=1)
        return [self._pool.submit(self._read_all, part) for part in parts]

    def _read_all(self, part: NDArray[np.int64]) -> list[_Row]:
        return [self._read(int(position), int(sample)) for position, sample in part.T]

    def _read(self, position: int, sample: int) -> _Row:
        faults: list[str] = []
        for attempt in range(1, _SUBSTITUTES + 1):
            found = self._sample(sample)
            if isinstance(found, _Row):
                return _Row(found.image_3HW, found.caption, found.meta, tuple(faults)) if faults else found
            faults.append(found)
            if sample not in self._named:
                self._named.add(sample)
                log.warning("sample %d of %s is replaced: %s", sample, self.shards.folder, found)
            sample = int(mix(self.seed, _STREAM, position, attempt) % np.uint64(len(self.shards)))
        raise UserError(f"{_SUBSTITUTES} samples in a row of {self.shards.folder} cannot be read ({faults[0]})")

    def _sample(self, sample: int) -> _Row | str:
        """Return a sample, or the reason why it cannot be had."""
        if sample in self._cache:
            return self._cache[sample]
        found: _Row | str
        try:
            record = self.shards.read(sample)
            found = _Row(square(decode(record.image), self.resolution), record.caption, record.meta)
        except BadSample as bad:
            found = str(bad)
        if self.config.cache:
            self._cache[sample] = found
        return found

    def _count(self, rows: list[_Row]) -> None:
        # Counted on delivery, so that reading ahead cannot change when training stops.
        self.rows += len(rows)
        for row in rows:
            self.faults.update(row.faults)
        bad = self.faults.total()
        enough = self.rows * self.config.bad_share >= 1 or self.rows >= len(self.shards)
        if enough and bad > self.config.bad_share * self.rows:
            reasons = ", ".join(f"{count} x {reason}" for reason, count in self.faults.most_common())
            raise UserError(
                f"{bad} of {self.rows} samples in {self.shards.folder} cannot be read ({reasons}); "
                f"repair the data or raise data.bad_share above {self.config.bad_share}"
            )


def captions(folder: Path) -> Iterator[str]:
    """Yield every caption in `folder`, in the order of its shards."""
    shards = ShardSet(folder)
    for i in range(len(shards)):
        yield shards.caption(i)


def load_split(
    folder: Path, limit: int | None = None, resolution: int | None = None
) -> tuple[Tensor, list[str], list[dict[str, Any]]]:
    """Return the first `limit` samples of `folder`, unshuffled: images_B3HW uint8, captions, metadata.

    Pictures are scaled to `resolution`, by default to the first one's shorter side. Unreadable ones are
    left out.
    """
    shards = ShardSet(folder)
    rows: list[_Row] = []
    for i in range(len(shards)):
        if limit is not None and len(rows) >= limit:
            break
        try:
            record = shards.read(i)
            image = decode(record.image)
        except BadSample as bad:
            log.warning("sample %d of %s is left out: %s", i, folder, bad)
            continue
        resolution = resolution or min(image.shape[:2])
        rows.append(_Row(square(image, resolution), record.caption, record.meta))
    if not rows:
        raise UserError(f"no picture in {folder} can be read; make or fetch the data again")
    images_B3HW = torch.stack([row.image_3HW for row in rows])
    return images_B3HW, [row.caption for row in rows], [row.meta for row in rows]
