"""The sources of a mixture, opened: which sample stands at a position, and what it holds."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from majolica.config.run import DataConfig, SourceConfig
from majolica.data.order.buckets import BucketPlan, grids, nearest
from majolica.data.order.mixture import by_temperature
from majolica.data.order.reading_order import Plan, Shares
from majolica.data.pictures.frame import Shape
from majolica.data.store.shards import BadSample, ShardSet
from majolica.errors import UserError

log = logging.getLogger(__name__)

I64 = NDArray[np.int64]

_BLOCK = 4096
VERSION = 2
"""Of the order of mixtures and buckets. One source without buckets has had the same order in all versions."""


def sources_of(config: DataConfig) -> tuple[SourceConfig, ...]:
    """The mixture that a configuration names: its sources, or its one folder of shards."""
    return config.sources or (SourceConfig(config.shards),)


def open_sources(config: DataConfig) -> list[ShardSet]:
    """Open every source. UserError for one that cannot be read; then none stays open."""
    with ExitStack() as opened:
        sets = [opened.enter_context(open_source(config, number)) for number in range(len(sources_of(config)))]
        opened.pop_all()
    return sets


def open_source(config: DataConfig, number: int) -> ShardSet:
    """Open one source of the mixture alone. UserError where it cannot be read."""
    sources = sources_of(config)
    cache = Path(config.remote_cache) if config.remote_cache else None
    limit = int(config.remote_cache_gb * 1e9) // len(sources)
    return ShardSet(sources[number].shards, cache, limit, config.empty_captions)


def captions(config: DataConfig) -> Iterator[str]:
    """Every readable caption of every source, in the order of the shards.

    One source is open at a time, and none once the iterator is done with or let go of.
    """
    for number in range(len(sources_of(config))):
        with open_source(config, number) as shards:
            bad = 0
            for i in range(len(shards)):
                try:
                    yield shards.caption(i)
                except BadSample:
                    bad += 1
            if bad:
                log.warning("%d captions in %s cannot be read", bad, shards.folder)


@dataclass(frozen=True)
class Spot:
    """Where samples of one micro-batch lie, and the size that they are wanted in."""

    shape: Shape
    source_B: I64
    sample_B: I64


class Order:
    """Positions -> samples over all sources: a plan, or one plan per aspect-ratio bucket."""

    def __init__(self, sets: list[ShardSet], config: DataConfig, resolution: int, patch: int, seed: int, unit: int):
        """Make the order for pictures of `resolution`; `unit` is the global micro-batch."""
        self.sets, self.square, self.seed = sets, (resolution, resolution), seed
        self.shares = shares_of(config, [len(shards) for shards in sets])
        self.shapes = [(h * patch, w * patch) for h, w in grids(resolution // patch)] if config.buckets else []
        self._of = [nearest(shards.dimensions(), self.shapes) for shards in sets] if config.buckets else []
        self._plan = Plan([len(shards) for shards in sets], self.shares, seed)
        self.use_unit(unit)

    def use_unit(self, unit: int) -> None:
        """Let `unit` neighbouring positions share a bucket."""
        self.unit = unit
        self._buckets = BucketPlan(self._of, len(self.shapes), self.shares, self.seed, unit) if self._of else None
        # Asking for 64 positions costs as much as asking for 1,000, so blocks are asked for.
        self._block = lru_cache(maxsize=4)(self._locate)

    def signature(self) -> dict[str, Any]:
        """JSON: all that decides the order beside the seed and the numbers of samples."""
        shares = self.shares
        weights = [list(shares.start), list(shares.end), shares.over] if len(self.sets) > 1 else []
        shapes = [list(shape) for shape in self.shapes]
        return {"version": VERSION, "weights": weights, "shapes": shapes, "unit": self.unit if shapes else 0}

    def at(self, positions: I64) -> Spot:
        """The samples at positions that lie in one micro-batch."""
        block, place = np.divmod(positions, _BLOCK)
        parts = [self._block(int(b))[:, place[block == b]] for b in np.unique(block)]
        bucket, source, sample = np.concatenate(parts, axis=1)
        return Spot(self.shapes[bucket[0]] if self._buckets else self.square, source, sample)

    def _locate(self, block: int) -> I64:
        positions = np.arange(block * _BLOCK, (block + 1) * _BLOCK, dtype=np.int64)
        if self._buckets:
            return np.stack(self._buckets.locate(positions))
        return np.stack([np.zeros_like(positions), *self._plan.locate(positions)])


def shares_of(config: DataConfig, sizes: list[int]) -> Shares:
    """The weights of the sources over time. UserError where they do not fit the sources."""
    sources = sources_of(config)
    start = [source.weight for source in sources]
    if config.temperature > 0:
        start = by_temperature(sizes, config.temperature)
    end = list(config.weights_end) or start
    if len(end) != len(start):
        raise UserError(f"--data.weights-end has {len(end)} weights and there are {len(start)} sources: give each one")
    for name, weights in (("data.sources", start), ("--data.weights-end", end)):
        if min(weights) < 0 or not sum(weights) > 0:
            raise UserError(f"the weights of {name} are {weights}: none may be negative, and one must be above 0")
    return Shares(tuple(start), tuple(end), config.weights_over)


def manifest(sets: list[ShardSet]) -> str:
    """Hash of what all sources hold: equal manifests mean the same numbering."""
    if len(sets) == 1:
        return sets[0].manifest
    return hashlib.sha256("\n".join(shards.manifest for shards in sets).encode()).hexdigest()
