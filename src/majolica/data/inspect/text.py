"""Says how much of the captions a model will read, because the rest of long ones is left out."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from majolica.data.inspect.sets import ShardSets
from majolica.data.pictures.faults import BadSample
from majolica.plurals import counted, plural
from majolica.text.clean import clean_caption

_MEASURED = 10_000
"""The number of captions that are read for this at most."""


def text_remarks(
    shards: ShardSets, numbers: Sequence[int], tokenizer: Path | None, length: int, seed: int
) -> list[str]:
    """A sentence on captions of `numbers` that are longer than `length` tokens, or none.

    Without a tokenizer only those count that are certainly longer, because a word takes at least
    one token.
    """
    if len(numbers) > _MEASURED:
        numbers = sorted(random.Random(seed).sample(numbers, _MEASURED))
    captions = list(_readable(shards, numbers))
    if tokenizer:
        from majolica.text.notices import cut_share_notice
        from majolica.text.tokenizer import Tokenizer  # nothing else here needs torch

        line = cut_share_notice(Tokenizer(tokenizer), captions, length)
        return [line] if line else []
    # The end of the caption takes a token too.
    long = sum(len(clean_caption(caption).split()) >= length for caption in captions)
    if not long:
        return []
    return [
        f"at least {long:,} of {counted(len(captions), 'caption')} {plural(long, 'is', 'are')} longer than"
        f" {counted(length, 'piece')}, and training leaves {plural(long, 'its end', 'their ends')} out;"
        " --tokenizer says how many exactly, --recipe or --length what else is read"
    ]


def _readable(shards: ShardSets, numbers: Sequence[int]) -> Iterator[str]:
    for number in numbers:
        try:
            yield shards.caption(number)
        except BadSample:
            continue
