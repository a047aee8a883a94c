"""Which captions a run's sample grids show: held-out ones first, else a spread over all that is trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from majolica.config.run import DataConfig
from majolica.config.sources import sources_of
from majolica.data.store.shards import BadSample, ShardSet
from majolica.sampling.inputs import LONGEST_PROMPT
from majolica.text.clean import clean_caption

HELD_OUT = ("combinations", "heldout")
"""Folders of held-out samples beside the shards that are trained on, as `majolica data openmoji` makes them."""
PROMPTS = Path("samples", "prompts.txt")
"""Where a run folder keeps the prompts of its grids."""
TRIES = 8
"""Captions that are looked at for each one that is wanted: some are empty, too long or there twice."""
GOLDEN = 0.6180339887498949
"""Its multiples, modulo 1, are spread evenly over [0, 1), however many are taken."""

Read = Callable[[str], str]
"""A text as the vocabulary sees it: what `Tokenizer.normalize` makes of it."""


def choose_prompts(config: DataConfig, trained: Sequence[ShardSet], count: int, read: Read) -> list[str]:
    """Up to `count` different captions as the model reads them, held-out ones first where the data has such.

    `trained` are the open sources of training; they stay open. The choice depends on the data and on `read` alone:
    captions that differ only in what the vocabulary does not tell apart, such as case, are one.
    """
    held_out = [ShardSet(folder, empty_captions="keep") for folder in held_out_folders(config)]
    try:
        chosen = take(held_out, count, read)
    finally:
        for shards in held_out:
            shards.close()
    return take(trained, count, read, chosen)


def held_out_folders(config: DataConfig) -> list[Path]:
    """Folders of held-out samples on this machine: the one that is named, then those beside the sources."""
    named = [Path(config.heldout)] if config.heldout and "://" not in config.heldout else []
    return list(dict.fromkeys([*named, *held_out_beside(config, HELD_OUT)]))


def held_out_beside(config: DataConfig, names: Sequence[str]) -> list[Path]:
    """Folders of these names that hold shards, beside the sources that lie on this machine."""
    places = [Path(source.shards) for source in sources_of(config) if "://" not in source.shards]
    beside = dict.fromkeys(place.parent / name for place in places for name in names)
    return [folder for folder in beside if folder not in places and any(folder.glob("*.tar"))]


def take(sets: Sequence[ShardSet], count: int, read: Read, chosen: Sequence[str] = ()) -> list[str]:
    """`chosen`, and captions of `sets` that are not among them, turn by turn, until there are `count`."""
    found = dict.fromkeys(chosen)
    spreads = [spread_captions(shards, count, read) for shards in sets]
    for round_of_captions in zip_longest(*spreads, fillvalue=""):
        for caption in round_of_captions:
            if caption and len(found) < count:
                found[caption] = None
        if len(found) >= count:
            break
    return list(found)


def spread_captions(shards: ShardSet, count: int, read: Read) -> Iterator[str]:
    """Captions from all over a source, as the model reads them, "" for one that cannot be painted."""
    for number in range(min(TRIES * count, 4 * len(shards))):
        try:
            caption = clean_caption(shards.caption(int((number + 0.5) * GOLDEN % 1 * len(shards))))
        except BadSample:
            caption = ""
        yield read(caption) if len(caption) <= LONGEST_PROMPT else ""


def read_prompts(path: Path) -> list[str]:
    """The prompts of a file, one a line; empty where there is no file."""
    lines = path.read_text("utf-8", errors="replace").splitlines() if path.exists() else []
    return [line for line in map(clean_caption, lines) if 0 < len(line) <= LONGEST_PROMPT]
