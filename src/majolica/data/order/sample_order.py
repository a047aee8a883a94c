"""The order of samples over all sources. It is a pure function of the position and opens no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from majolica.config.data import DataConfig
from majolica.data.counter import I64
from majolica.data.order.buckets import BucketOrder, assign_buckets, list_grids
from majolica.data.order.reading_order import ReadingOrder
from majolica.data.order.shares import shares_of
from majolica.data.pictures.frame import Shape

_BLOCK = 4096
VERSION = 2
"""Version of the order of mixtures and buckets. One source without buckets has had the same order in all versions."""


@dataclass(frozen=True)
class Spot:
    """Which samples a micro-batch has, and the shape (height, width) in pixels that they are needed in."""

    shape: Shape
    source_B: I64
    sample_B: I64


class SampleOrder:
    """Which sample of which source stands at each position, and the shape of its batch."""

    def __init__(
        self,
        sizes: Sequence[int],
        dimensions: Sequence[NDArray[np.integer]],
        config: DataConfig,
        resolution: int,
        patch: int,
        seed: int,
        unit: int,
    ) -> None:
        """Make the order of sources that have `sizes` samples, for pictures of `resolution`.

        With `config.buckets`, `dimensions[s]` holds the height and width `(N, 2)` of each picture of source s; without
        it they are not looked at. `unit` is the global micro-batch.
        """
        self.sizes, self.square, self.seed = tuple(sizes), (resolution, resolution), seed
        self.shares = shares_of(config, sizes)
        self.shapes = [(h * patch, w * patch) for h, w in list_grids(resolution // patch)] if config.buckets else []
        self._of = [assign_buckets(sizes_N2, self.shapes) for sizes_N2 in dimensions] if config.buckets else []
        self._order = ReadingOrder(sizes, self.shares, seed)
        self.use_unit(unit)

    def use_unit(self, unit: int) -> None:
        """Let `unit` neighbouring positions share a bucket."""
        self.unit = unit
        self._buckets = BucketOrder(self._of, len(self.shapes), self.shares, self.seed, unit) if self._of else None
        # Locating 64 positions takes as long as locating 1,000, so whole blocks are located.
        self._block = lru_cache(maxsize=4)(self._locate)

    def signature(self) -> dict[str, Any]:
        """Return, as JSON, everything that decides the order apart from the seed and the numbers of samples."""
        shares = self.shares
        weights = [list(shares.start), list(shares.end), shares.over] if len(self.sizes) > 1 else []
        shapes = [list(shape) for shape in self.shapes]
        return {"version": VERSION, "weights": weights, "shapes": shapes, "unit": self.unit if shapes else 0}

    def at(self, positions: I64) -> Spot:
        """Return the samples at positions that all lie in one micro-batch."""
        block, place = np.divmod(positions, _BLOCK)
        parts = [self._block(int(b))[:, place[block == b]] for b in np.unique(block)]
        bucket, source, sample = np.concatenate(parts, axis=1)
        return Spot(self.shapes[bucket[0]] if self._buckets else self.square, source, sample)

    def _locate(self, block: int) -> I64:
        positions = np.arange(block * _BLOCK, (block + 1) * _BLOCK, dtype=np.int64)
        if self._buckets:
            return np.stack(self._buckets.locate(positions))
        return np.stack([np.zeros_like(positions), *self._order.locate(positions)])
