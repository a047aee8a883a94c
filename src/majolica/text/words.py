"""The words that a run was trained on: split from text as its tokenizer normalises it, kept beside the tokenizer."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from majolica.files import write_atomic
from majolica.text.tokenizer import Tokenizer

NAME = "words.json"
"""File name in the run folder."""
MOST = 200_000
"""Words kept: the most frequent."""
_HELD = 2_000_000
"""Words counted at a time: rarer ones are dropped when there are more, so that memory stays bounded."""
_LONGEST = 64
"""Characters; what is longer is no word but an address or a typing error."""

# Scripts that put no spaces between words: there each character counts as a word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
# White space and punctuation. Not all that `\W` matches: Hindi vowel signs and joiners are parts of words.
_BETWEEN = (
    r"\s!-/:-@\[-`{-~\u00a1-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u060c\u061b\u061f\u066a-\u066d\u06d4"
    r"\u0964\u0965\u2000-\u200b\u200e-\u206f\u2190-\u2bff\u3000-\u303f\ufe10-\ufe1f\ufe30-\ufe6f\ufffd\u2581"
)
_WORD = re.compile(f"[{_UNSPACED}]|[^{_BETWEEN}{_UNSPACED}]+")


@dataclass(frozen=True)
class KnownWords:
    """Words of the captions that a run was trained on."""

    words: frozenset[str]
    complete: bool
    """Whether these are all words of all captions; otherwise, of many captions, the most frequent."""


def split_words(text: str) -> list[str]:
    """Words of normalised text, in their order; numbers and signs without a letter are none."""
    return [word for word in _WORD.findall(text) if any(map(str.isalpha, word))]


def count_words(tokenizer: Tokenizer, captions: Iterable[str], all_captions: bool, most: int = MOST) -> KnownWords:
    """The `most` frequent words of `captions`; `all_captions` says whether training sees no others.

    Rare words beyond two million different ones are forgotten on the way, so that memory stays bounded.
    """
    counts: Counter[str] = Counter()
    complete, lines = all_captions, iter(captions)
    while block := list(islice(lines, 10_000)):
        for text in tokenizer.normalize(block):
            counts.update(word for word in split_words(text) if len(word) <= _LONGEST)
        if len(counts) > _HELD:
            counts, complete = Counter(dict(counts.most_common(_HELD // 2))), False
    # By count, then by spelling: the same captions give the same file in whatever order they come.
    kept = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
    return KnownWords(frozenset(word for word, _ in kept), complete and len(kept) == len(counts))


def save_words(known: KnownWords, folder: Path) -> None:
    """Write `known` beside the tokenizer of the run folder."""
    content = {"complete": known.complete, "words": sorted(known.words)}
    write_atomic(folder / NAME, json.dumps(content, ensure_ascii=False, indent=0))


def load_words(folder: Path) -> KnownWords | None:
    """The words of a run folder; None where it has none (runs of before, or a damaged file)."""
    try:
        content = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return KnownWords(frozenset(map(str, content["words"])), content["complete"] is True)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def unknown_words(known: KnownWords, text: str) -> tuple[list[str], float]:
    """Different words of normalised `text` that are not in `known`, and their share of the letters of all words."""
    words = split_words(text)
    strange = [word for word in words if word not in known.words]
    share = sum(map(len, strange)) / max(1, sum(map(len, words)))
    return _different(strange), share


def _different(words: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(words))
