"""Position -> sample: streams, mixture and order put together. Everything is a pure function of the position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from majolica.data.counter import mix
from majolica.data.mixture import BLOCK, Mixture
from majolica.data.order import STREAM_WINDOW, WINDOW, sample_index, streams_of

I64 = NDArray[np.int64]


@dataclass(frozen=True)
class Shares:
    """How much of the mixture each source has, first and from position `over` on."""

    start: tuple[float, ...]
    end: tuple[float, ...]
    over: int = 0


class Plan:
    """The order in which sources of the given sizes are read, each source over and over."""

    def __init__(self, sizes: Sequence[int], shares: Shares, seed: int) -> None:
        self.sizes, self.seed = tuple(sizes), seed
        self.streams = streams_of(sum(sizes))
        many = self.streams > 1
        self._mixture = None
        if len(sizes) > 1:
            over, block = -(-shares.over // self.streams), BLOCK // 10 if many else BLOCK
            self._mixture = Mixture(shares.start, shares.end, over, seed, block)

    def locate(self, positions: I64) -> tuple[I64, I64]:
        """Source, and sample in it, at each of the positions `(N,)`."""
        stream, place = positions % self.streams, positions // self.streams
        if self._mixture:
            source, place = self._mixture.locate(place, stream)
        else:
            source = np.zeros_like(positions)
        # Every stream has the same quotas, so this numbers the places of a source without a gap.
        number = place * self.streams + stream
        sample = np.empty_like(positions)
        for i in np.unique(source):
            sample[source == i] = self._order(int(i), number[source == i])
        return source, sample

    def _order(self, source: int, number: I64) -> I64:
        size = self.sizes[source]
        seed = self.seed if source == 0 else int(mix(self.seed, 3, source).astype(np.int64))
        streams = streams_of(size)
        return sample_index(number, size, seed, window=STREAM_WINDOW if streams > 1 else WINDOW, streams=streams)
