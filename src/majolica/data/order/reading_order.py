"""From a position to a source and a sample: mixture, streams and shuffled order together.

Everything here is a pure function of the position.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from majolica.data.counter import I64, mix
from majolica.data.order.mixture import BLOCK, Mixture, Rare
from majolica.data.order.permutation import STREAM_WINDOW, WINDOW, sample_index, shuffle, streams_of
from majolica.data.order.shares import Shares


class ReadingOrder:
    """The order in which sources of the given sizes are read, again and again.

    Over all streams together, every sample of a source is read once before any is read twice.
    """

    def __init__(self, sizes: Sequence[int], shares: Shares, seed: int, rare: Rare = "refuse") -> None:
        self.sizes, self.seed = tuple(sizes), seed
        self.streams = streams_of(sum(sizes))
        self._mixture = None
        if len(sizes) > 1:
            self._mixture = Mixture(shares.start, shares.end, shares.over, seed, BLOCK, self.streams, rare)
        self._runs = lru_cache(maxsize=64)(self._stream_runs)

    def locate(self, positions: I64) -> tuple[I64, I64]:
        """Return the source, and the sample in it, at each of the positions `(N,)`."""
        if not self._mixture:
            return np.zeros_like(positions), self._locate_alone(positions, 0)
        source, number = self._mixture.locate(positions)
        sample = np.empty_like(positions)
        for i in np.unique(source):
            mine = source == i
            if streams_of(self.sizes[i]) > 1:
                sample[mine] = self._locate_in_streams(self._mixture, positions[mine], number[mine], int(i))
            else:
                sample[mine] = self._locate_alone(number[mine], int(i))
        return source, sample

    def _locate_alone(self, number: I64, source: int) -> I64:
        size = self.sizes[source]
        streams = streams_of(size)
        window = STREAM_WINDOW if streams > 1 else WINDOW
        return sample_index(number, size, self._seed(source), window=window, streams=streams)

    def _locate_in_streams(self, mixture: Mixture, positions: I64, number: I64, source: int) -> I64:
        """Return samples of a large source in a mixture: in each epoch every stream has a run of places of its own."""
        epoch, stream = number // self.sizes[source], positions % self.streams
        place = mixture.count_in_stream(positions, np.full_like(positions, source))
        for e in np.unique(epoch):
            here = epoch == e
            before, start = self._runs(mixture, source, int(e))
            place[here] += (start - before)[stream[here]]
        return shuffle(place, epoch, self.sizes[source], self._seed(source), window=STREAM_WINDOW)

    def _stream_runs(self, mixture: Mixture, source: int, epoch: int) -> tuple[I64, I64]:
        """Return how many samples each stream has read before an epoch of a source, and where its run of places
        begins."""
        size = self.sizes[source]
        before, after = (mixture.count_per_stream(source, number * size) for number in (epoch, epoch + 1))
        length = after - before
        return before, length.cumsum() - length

    def _seed(self, source: int) -> int:
        return self.seed if source == 0 else int(mix(self.seed, 3, source).astype(np.int64))
