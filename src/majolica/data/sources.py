"""The sources of a mixture, opened: which sample stands at a position, and what it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from majolica.config.schema import DataConfig, SourceConfig
from majolica.data.buckets import BucketPlan, grids, nearest
from majolica.data.mixture import by_temperature
from majolica.data.pictures.frame import Shape
from majolica.data.plan import Plan, Shares
from majolica.data.shards import ShardSet
from majolica.errors import UserError

I64 = NDArray[np.int64]

_BLOCK = 4096


def sources_of(config: DataConfig) -> tuple[SourceConfig, ...]:
    """The mixture that a configuration names: its sources, or its one folder of shards."""
    return config.sources or (SourceConfig(config.shards),)


def open_sources(config: DataConfig) -> list[ShardSet]:
    """Open every source. UserError for one that cannot be read."""
    cache = Path(config.remote_cache) if config.remote_cache else None
    limit = int(config.remote_cache_gb * 1e9)
    sources = sources_of(config)
    limit //= len(sources)
    return [ShardSet(source.shards, cache, limit) for source in sources]


def captions(config: DataConfig) -> Iterator[str]:
    """Every caption of every source, in the order of the shards."""
    for shards in open_sources(config):
        try:
            for i in range(len(shards)):
                yield shards.caption(i)
        finally:
            shards.close()


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
        self.sets, self.square = sets, (resolution, resolution)
        shares = shares_of(config, [len(shards) for shards in sets])
        self.shapes = [(h * patch, w * patch) for h, w in grids(resolution // patch)] if config.buckets else []
        self._buckets = None
        if config.buckets:
            of = [nearest(shards.dimensions(), self.shapes) for shards in sets]
            self._buckets = BucketPlan(of, len(self.shapes), shares, seed, unit)
        self._plan = Plan([len(shards) for shards in sets], shares, seed)
        # Asking for 64 positions costs as much as asking for 1,000, so blocks are asked for.
        self._block = lru_cache(maxsize=4)(self._locate)

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
        raise UserError(f"data.weights_end has {len(end)} weights and there are {len(start)} sources: give each one")
    for name, weights in (("data.sources", start), ("data.weights_end", end)):
        if min(weights) < 0 or not sum(weights) > 0:
            raise UserError(f"the weights of {name} are {weights}: none may be negative, and one must be above 0")
    return Shares(tuple(start), tuple(end), config.weights_over)


def manifest(sets: list[ShardSet]) -> str:
    """Hash of what all sources hold: equal manifests mean the same numbering."""
    if len(sets) == 1:
        return sets[0].manifest
    return hashlib.sha256("\n".join(shards.manifest for shards in sets).encode()).hexdigest()
