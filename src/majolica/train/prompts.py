"""The captions of a run's sample grids (held-out ones first, then ones from all sources), and one to try at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path

from majolica.config.data import DataConfig
from majolica.config.sources import sources_of
from majolica.data.loading.held_out import find_held_out_beside
from majolica.data.loading.sources import open_source
from majolica.data.pictures.faults import BadSample
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError
from majolica.sampling.inputs import LONGEST_PROMPT
from majolica.text.clean import clean_caption

HELD_OUT_FOLDERS = ("combinations", "heldout")
"""Names of folders of held-out samples beside the sources, as `majolica data openmoji` makes them."""
PROMPTS = Path("samples", "prompts.txt")
"""Where a run folder keeps the prompts of its grids."""
TRIES = 8
"""Captions read for each prompt wanted: some are empty, too long or duplicates."""
SHORT = 60
"""Characters of a prompt that fits into a command with room to spare."""
GOLDEN = 0.6180339887498949
"""Multiples of the golden ratio, modulo 1, are spread evenly over [0, 1), whatever their number."""

Normalize = Callable[[str], str]
"""Maps a text to the form that the vocabulary tells apart, as `Tokenizer.normalize` does."""


def choose_prompts(config: DataConfig, trained: Sequence[ShardSet], count: int, normalize: Normalize) -> list[str]:
    """Choose up to `count` different normalised captions, held-out ones first if there are any.

    `trained` are the open sources of training; they stay open. The choice depends on the data and on
    `normalize` alone: captions that differ only in what it removes, such as case, count as one.
    """
    held_out = [ShardSet(folder, empty_captions="keep") for folder in find_held_out_folders(config)]
    try:
        chosen = extend_choice([], held_out, count, normalize)
    finally:
        for shards in held_out:
            shards.close()
    return extend_choice(chosen, trained, count, normalize)


def find_held_out_folders(config: DataConfig) -> list[Path]:
    """Find local folders of held-out samples: `data.heldout`, then those beside the sources."""
    named = [Path(config.heldout)] if config.heldout and "://" not in config.heldout else []
    return list(dict.fromkeys([*named, *find_held_out_beside(config, HELD_OUT_FOLDERS)]))


def extend_choice(chosen: Sequence[str], sets: Sequence[ShardSet], count: int, normalize: Normalize) -> list[str]:
    """Return `chosen` and further captions, one from each of `sets` in turn, up to `count`."""
    found = dict.fromkeys(chosen)
    spreads = [spread_captions(shards, count, normalize) for shards in sets]
    for round_of_captions in zip_longest(*spreads, fillvalue=""):
        for caption in round_of_captions:
            if caption and len(found) < count:
                found[caption] = None
        if len(found) >= count:
            break
    return list(found)


def spread_captions(shards: ShardSet, count: int, normalize: Normalize) -> Iterator[str]:
    """Yield normalised captions, spread evenly over a source; "" for one that cannot be painted."""
    for number in range(min(TRIES * count, 4 * len(shards))):
        try:
            caption = clean_caption(shards.caption(int((number + 0.5) * GOLDEN % 1 * len(shards))))
        except BadSample:
            caption = ""
        yield normalize(caption) if len(caption) <= LONGEST_PROMPT else ""


def read_prompts(path: Path) -> list[str]:
    """Read the prompts of a file, one per line; none if there is no file."""
    lines = path.read_text("utf-8", errors="replace").splitlines() if path.exists() else []
    return [line for line in map(clean_caption, lines) if 0 < len(line) <= LONGEST_PROMPT]


def suggest_prompt(config: DataConfig, run: Path) -> str:
    """Return a prompt that suits a run: one of its grids, or else a caption that it was trained on.

    It is the first that has at most `SHORT` characters, or the shortest. It is "" if the run painted no grids and no
    caption can be read from a local source.
    """
    found = read_prompts(run / PROMPTS)
    for number, source in enumerate(sources_of(config)):
        if not found and "://" not in source.shards:
            with suppress(UserError), open_source(config, number) as shards:
                found = list(spread_captions(shards, TRIES, str))
    found = [prompt for prompt in found if prompt and not prompt.startswith("-")]  # "-" would begin an option
    return next((prompt for prompt in found if len(prompt) <= SHORT), min(found, key=len, default=""))
