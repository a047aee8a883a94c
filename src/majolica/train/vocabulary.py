"""What a run reads captions with: its tokenizer, the words that it knows, and how much of the captions it cuts off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from majolica.config.data import DataConfig
from majolica.config.run import RunConfig
from majolica.data.loading.captions import draw_captions
from majolica.data.loading.sources import open_sources
from majolica.data.order.shares import shares_of
from majolica.data.store.shards import ShardSet
from majolica.files import write_atomic
from majolica.scratch import ScratchFolder
from majolica.text.notices import cut_share_notice, fewer_pieces_notice
from majolica.text.tokenizer import Tokenizer, train_tokenizer
from majolica.text.words import count_words, save_words

TOKENIZER_CAPTIONS = 1_000_000
"""Captions that a tokenizer is trained on at most, drawn over all sources by their weights."""
WORD_CAPTIONS = 100_000
"""Captions that words are counted in at most, where the tokenizer is there already."""
MEASURED_CAPTIONS = 1_000
"""Captions whose length is measured when training starts."""


def make_vocabulary(config: RunConfig, folder: Path) -> None:
    """Write the tokenizer that the configuration names, or one trained on the captions; and the words beside it.

    With a tokenizer at hand, remote captions are not fetched for the words alone: such a run has no list of them.
    """
    named, model = config.data.tokenizer, folder / "tokenizer.model"
    with ExitStack() as opened:
        place = opened.enter_context(ScratchFolder("majolica-vocabulary-")).path / "tokenizer.model"
        if named:
            Tokenizer(Path(named))  # refuses what is none before anything is read or written
        sets = [opened.enter_context(shards) for shards in open_sources(config.data)]
        if not (named and any(shards.remote for shards in sets)):
            drawn, whole = _draw(sets, config.data, WORD_CAPTIONS if named else TOKENIZER_CAPTIONS)
            if not named:
                train_tokenizer(drawn, place, config.model.text.vocab)
            save_words(count_words(Tokenizer(Path(named or place)), drawn, whole), folder)
        # Last, because where it stands preparation is done with captions.
        write_atomic(model, Path(named or place).read_bytes())


def caption_notices(tokenizer: Tokenizer, sets: Sequence[ShardSet], config: RunConfig) -> list[str]:
    """What a person should know of the captions before training on them: how many are cut, what they lack."""
    drawn, _ = _draw(sets, config.data, MEASURED_CAPTIONS, seed=1)
    text, lines = config.model.text, []
    if tokenizer.vocab < text.vocab and not config.data.tokenizer:
        lines.append(fewer_pieces_notice(tokenizer.vocab, text.vocab, "--model.text.vocab"))
    if line := cut_share_notice(tokenizer, drawn, text.length):
        lines.append(f"{line}; --model.text.length is how many are read")
    return lines


def _draw(sets: Sequence[ShardSet], config: DataConfig, most: int, seed: int = 0) -> tuple[list[str], bool]:
    """At most `most` readable captions over all sources by their weights, and whether these are all captions."""
    sizes, faults = [len(shards) for shards in sets], Counter[str]()
    captions = draw_captions(sets, most, seed, faults, shares_of(config, sizes).average())
    # What is no UTF-8 is no word, and training passes over it too.
    drawn = [caption for caption in captions if "\N{REPLACEMENT CHARACTER}" not in caption]
    return drawn, sum(sizes) <= most and not faults
