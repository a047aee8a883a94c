"""Captions of many shards in a stream: all of them, or a draw that reads no more than it takes."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate

from majolica.data.store.shards import BadSample, ShardSet

STRETCH = 128
"""Neighbouring samples that are drawn together from a remote source: they come in one or two requests."""


def draw_captions(
    sources: Sequence[ShardSet],
    most: int,
    seed: int = 0,
    faults: Counter[str] | None = None,
    weights: Sequence[float] | None = None,
) -> Iterator[str]:
    """Yield `most` captions of `sources`, or all where there are no more; in order, each as likely as any.

    With `weights` each source gives its share of `most`, and what a small source cannot give comes from the others.
    Which ones depends on the sources' sizes, the weights and the seed alone. Memory holds their numbers, not their
    words. A remote source is read in stretches of neighbours. Captions that cannot be read are left out, and counted
    by reason in `faults`.
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


def quotas(sizes: Sequence[int], most: int, weights: Sequence[float]) -> list[int]:
    """How many of `most` each source gives: in proportion to `weights`, but no more than its size.

    What is over is shared among the sources that have more to give and a weight above 0, in the same proportion.
    """
    given = [0] * len(sizes)
    open_ones = [i for i, weight in enumerate(weights) if weight > 0]
    while (left := most - sum(given)) > 0 and open_ones:
        total = sum(weights[i] for i in open_ones)
        # Cumulative rounding: the parts add up to what is left.
        edges = [0, *(round(left * part / total) for part in accumulate(weights[i] for i in open_ones))]
        for place, i in enumerate(open_ones):
            given[i] = min(sizes[i], given[i] + edges[place + 1] - edges[place])
        open_ones = [i for i in open_ones if given[i] < sizes[i]]
    return given


def _choose_numbers(
    sizes: Sequence[int], most: int, rng: random.Random, weights: Sequence[float] | None
) -> Iterator[Sequence[int]]:
    """The drawn numbers of each source, in ascending order."""
    if sum(sizes) <= most:
        yield from map(range, sizes)
    elif weights is not None:
        for size, count in zip(sizes, quotas(sizes, most, weights), strict=True):
            yield sorted(rng.sample(range(size), count))
    else:
        drawn, start = sorted(rng.sample(range(sum(sizes)), most)), 0
        for size in sizes:
            own = drawn[bisect_left(drawn, start) : bisect_left(drawn, start + size)]
            yield [number - start for number in own]
            start += size


def _stretches(size: int, count: int, rng: random.Random) -> list[int]:
    """About evenly likely: `count` numbers below `size`, in stretches of neighbours."""
    starts = range(0, size, STRETCH)
    order = rng.sample(starts, min(len(starts), -(-count // STRETCH) + 1))  # one more: the last stretch may be short
    numbers = [number for start in order for number in range(start, min(start + STRETCH, size))]
    return sorted(numbers[:count])
