"""A stream of captions from many shards: all of them, or a random sample that reads no more than it returns."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate

from majolica.data.pictures.faults import BadSample
from majolica.data.store.shards import ShardSet

STRETCH = 128
"""Neighbouring samples that are drawn together from a remote source, because one or two requests fetch them all."""


def draw_captions(
    sources: Sequence[ShardSet],
    most: int,
    seed: int = 0,
    faults: Counter[str] | None = None,
    weights: Sequence[float] | None = None,
) -> Iterator[str]:
    """Yield `most` captions of `sources`, in order and each with the same probability; or all, if there are not more.

    With `weights`, each source gives its share of `most`, and what a small source cannot give comes from the others.
    Which captions these are depends only on the sizes of the sources, the weights and the seed. Only the numbers of the
    samples are kept in memory, not their captions. A remote source is read in stretches of neighbouring samples.
    Captions that cannot be read are left out, and counted by reason in `faults`.
    """
    rng = random.Random(seed)
    for source, numbers in zip(
        sources, _choose_numbers([len(source) for source in sources], most, rng, weights), strict=True
    ):
        if source.remote and len(numbers) < len(source):
            numbers = _stretches(len(source), len(numbers), rng)
        for number in numbers:
            try:
                yield source.caption(number)
            except BadSample as bad:
                if faults is not None:
                    faults[str(bad)] += 1


def split_by_weights(sizes: Sequence[int], most: int, weights: Sequence[float]) -> list[int]:
    """Return how many of `most` each source gives: in proportion to `weights`, but no more than its size.

    What a source lacks is shared, in the same proportion, among the sources that have more and a weight above 0.
    """
    given = [0] * len(sizes)
    open_ones = [i for i, weight in enumerate(weights) if weight > 0]
    while (left := most - sum(given)) > 0 and open_ones:
        total = sum(weights[i] for i in open_ones)
        # The cumulative sums are rounded, so that the parts add up to exactly what is left.
        edges = [0, *(round(left * part / total) for part in accumulate(weights[i] for i in open_ones))]
        for place, i in enumerate(open_ones):
            given[i] = min(sizes[i], given[i] + edges[place + 1] - edges[place])
        open_ones = [i for i in open_ones if given[i] < sizes[i]]
    return given


def _choose_numbers(
    sizes: Sequence[int], most: int, rng: random.Random, weights: Sequence[float] | None
) -> Iterator[Sequence[int]]:
    """Yield the numbers of the samples that are drawn from each source, in ascending order."""
    if sum(sizes) <= most:
        yield from map(range, sizes)
    elif weights is not None:
        for size, count in zip(sizes, split_by_weights(sizes, most, weights), strict=True):
            yield sorted(rng.sample(range(size), count))
    else:
        drawn, start = sorted(rng.sample(range(sum(sizes)), most)), 0
        for size in sizes:
            own = drawn[bisect_left(drawn, start) : bisect_left(drawn, start + size)]
            yield [number - start for number in own]
            start += size


def _stretches(size: int, count: int, rng: random.Random) -> list[int]:
    """Return `count` numbers below `size` in stretches of neighbours, each with about the same probability."""
    starts = range(0, size, STRETCH)
    order = rng.sample(
        starts, min(len(starts), -(-count // STRETCH) + 1)
    )  # one stretch more, because the last may be short
    numbers = [number for start in order for number in range(start, min(start + STRETCH, size))]
    return sorted(numbers[:count])
