"""Captions of many shards in a stream: all of them, or a draw that reads no more than it takes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence

from majolica.data.shards import BadSample, ShardSet


def draw_captions(
    sources: Sequence[ShardSet], most: int, seed: int = 0, faults: Counter[str] | None = None
) -> Iterator[str]:
    """Yield `most` captions of `sources`, or all where there are no more; in order, each as likely as any.

    Which ones depends on the sources' sizes and the seed alone. Memory holds their numbers, not their words. Those
    that cannot be read are left out, and counted by reason in `faults`.
    """
    counts = [len(source) for source in sources]
    total = sum(counts)
    numbers: Sequence[int] = range(total)
    if total > most:
        numbers = sorted(random.Random(seed).sample(range(total), most))
    source, start = 0, 0
    for number in numbers:
        while number >= start + counts[source]:
            start += counts[source]
            source += 1
        try:
            yield sources[source].caption(number - start)
        except BadSample as bad:
            if faults is not None:
                faults[str(bad)] += 1
