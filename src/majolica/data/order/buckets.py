"""Aspect-ratio buckets: pictures of similar proportions train together, and every shape has about the same number of
tokens.

All positions of a unit (a global micro-batch) share a bucket, so that every rank does the same work. Buckets take turns
by quotas, as sources do (`mixture`), so the order is still a function of the position alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from majolica.config.picture_size import LONGEST_ASPECT
from majolica.data.counter import I64, mix
from majolica.data.order.mixture import Mixture, find_starved, normalise
from majolica.data.order.reading_order import ReadingOrder
from majolica.data.order.shares import Shares

Grid = tuple[int, int]
"""Rows and columns of tokens."""

BLOCK = 1000
"""Units in a block; each bucket has an exact quota of units in it."""
LONG_BLOCK = 10_000
"""Units in a block if `BLOCK` are too few for the smallest bucket."""


def list_grids(side: int) -> list[Grid]:
    """Return grids of at most side^2 tokens, from three times as wide as high to three times as high as wide."""
    heights = range(math.ceil(side / math.sqrt(LONGEST_ASPECT)), math.floor(side * math.sqrt(LONGEST_ASPECT)) + 1)
    return [(height, side**2 // height) for height in heights]


def assign_buckets(sizes_N2: NDArray[np.integer], shapes: Sequence[Grid]) -> I64:
    """Return the number of the shape whose proportions are nearest, in the logarithm, to each picture's (height,
    width)."""
    wanted = np.log(sizes_N2[:, 0] / sizes_N2[:, 1])
    have = np.log([height / width for height, width in shapes])
    found: I64 = np.abs(wanted[:, None] - have).argmin(1)
    return found


class BucketOrder:
    """Like `ReadingOrder`, for batches of one shape each: `locate` also says which bucket a position belongs to."""

    def __init__(self, buckets: Sequence[I64], count: int, shares: Shares, seed: int, unit: int) -> None:
        """`buckets[s]` holds the bucket (of `count`) of each sample of source s; `unit` is the global micro-batch."""
        self.unit = unit
        self._members = [[np.flatnonzero(of == b) for of in buckets] for b in range(count)]
        filled = [b for b in range(count) if any(len(members) for members in self._members[b])]
        start = [sum(_parts(shares.start, self._members[b], buckets)) for b in filled]
        end = [sum(_parts(shares.end, self._members[b], buckets)) for b in filled]
        self._filled = np.array(filled)
        over = -(-shares.over // unit)
        self._turns = Mixture(start, end, over, seed, _block(start, end), rare="enlarge") if len(filled) > 1 else None
        parts = [(a / sum(start) + b / sum(end)) / 2 for a, b in zip(start, end, strict=True)]
        self._orders = [self._order(b, buckets, shares, part, seed) for b, part in zip(filled, parts, strict=True)]

    def locate(self, positions: I64) -> tuple[I64, I64, I64]:
        """Return bucket, source and sample at each of the positions `(N,)`."""
        unit, place = np.divmod(positions, self.unit)
        turn, number = self._turns.locate(unit) if self._turns else (np.zeros_like(unit), unit)
        source, sample = np.empty_like(unit), np.empty_like(unit)
        for t in np.unique(turn):
            here = turn == t
            order, sources = self._orders[t]
            which, inside = order.locate(number[here] * self.unit + place[here])
            source[here] = sources[which]
            members = self._members[self._filled[t]]
            sample[here] = [members[s][i] for s, i in zip(source[here], inside, strict=True)]
        return self._filled[turn], source, sample

    def _order(
        self, bucket: int, buckets: Sequence[I64], shares: Shares, part: float, seed: int
    ) -> tuple[ReadingOrder, I64]:
        """Return the order inside a bucket, and which sources have samples in it.

        `part` is the share of all positions that the bucket has.
        """
        members = self._members[bucket]
        have = [s for s, inside in enumerate(members) if len(inside)]
        start, end = (_parts(weights, members, buckets) for weights in (shares.start, shares.end))
        inner = Shares(tuple(start[s] for s in have), tuple(end[s] for s in have), round(shares.over * part))
        sizes = [len(members[s]) for s in have]
        return ReadingOrder(sizes, inner, int(mix(seed, 4, bucket).astype(np.int64)), "enlarge"), np.array(have)


def _block(start: Sequence[float], end: Sequence[float]) -> int:
    """Return how many units a block has: more than usual if a bucket of few pictures would have no place in it.

    A bucket that is still too small comes once in a block, so that one odd picture is no reason to refuse the rest.
    """
    return LONG_BLOCK if find_starved(normalise(end if any(end) else start)[None], BLOCK).any() else BLOCK


def _parts(weights: Sequence[float], members: Sequence[I64], buckets: Sequence[I64]) -> list[float]:
    """Return the weight of each source times the share of its samples that lie in a bucket."""
    return [w * len(inside) / len(of) for w, inside, of in zip(weights, members, buckets, strict=True)]
