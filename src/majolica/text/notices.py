"""What a run cannot read of a text: what it cuts off, and words or characters that it never learned.

Every notice is one complete line for the user, and many texts give a bounded number of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

from majolica.plurals import counted, plural
from majolica.text.clean import clean_caption
from majolica.text.folding import DROPPED
from majolica.text.templates import TEMPLATES, label_prompt
from majolica.text.tokenizer import Tokenizer
from majolica.text.words import KnownWords, split_words, unknown_words

MOST = 5
"""Lines of one kind; one more says how many texts there are beside these."""
_QUOTED = 60
"""Characters of a text that are quoted."""
_NAMED = 8
"""Words that one notice names."""
_MOSTLY = 0.5
"""Share of a text from which on it counts as mostly unknown."""
_UNSEEN = str.maketrans(dict.fromkeys(DROPPED))
_LONG_WORD = 20
"""Characters from which on a word may be cut in its middle."""


def text_notices(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    length: int,
    known_words: KnownWords | None = None,
    kind: str = "prompt",
) -> list[str]:
    """Warnings about `texts`, one line each: those that hold nothing, are cut, or are not known to the run.

    `length` is the number of pieces that the run reads (`config.model.text.length`); `known_words` are what
    `words.load_words` finds in its folder; `kind` is what the user calls a text ("prompt", "label", "text").
    """
    return [
        *cut_notices(tokenizer, texts, length, kind),
        *unknown_notices(tokenizer, texts, known_words, kind),
    ]


def label_notices(
    tokenizer: Tokenizer, labels: Sequence[str], length: int, known_words: KnownWords | None = None
) -> list[str]:
    """The same for the labels of a classification, which are read with their article, and in sentences where they fit.

    Also names labels that are one to the run, such as "Dolphin" and "dolphin": they share their probability.
    """
    return [
        *cut_notices(tokenizer, [label_prompt(TEMPLATES[0], label) for label in labels], length, "label"),
        *unknown_notices(tokenizer, labels, known_words, "label"),
        *_describe_equal_labels(tokenizer, labels),
    ]


def cut_notices(tokenizer: Tokenizer, texts: Sequence[str], length: int, kind: str = "prompt") -> list[str]:
    """One line for each text that is longer than `length` pieces, with the words that were left out."""
    cut = [text for text, pieces in zip(texts, tokenizer.lengths(texts), strict=True) if pieces > length]
    lines = [
        f"the {kind} {quote(text)} is longer than the {counted(length, 'piece')} that this run reads:"
        f" {quote(find_cut_end(tokenizer, text, length), end=True)} was left out"
        for text in cut[:MOST]
    ]
    return lines + _count_others(cut, kind, f"longer than the {counted(length, 'piece')} that this run reads")


def cut_share_notice(tokenizer: Tokenizer, captions: Sequence[str], length: int) -> str:
    """One line on how many of `captions` are longer than `length` pieces, with an example; empty where none is."""
    lengths = tokenizer.lengths(captions)
    cut = [caption for caption, pieces in zip(captions, lengths, strict=True) if pieces > length]
    if not cut:
        return ""
    share = len(cut) / len(captions)
    shown = f"{share:.1%}" if share >= 0.001 else "less than 0.1%"
    example = find_cut_end(tokenizer, cut[0], length)
    return (
        f"{shown} of {counted(len(captions), 'caption')} {plural(len(captions), 'is', 'are')} longer than"
        f" {counted(length, 'piece')}, and {plural(len(captions), 'its end is', 'their ends are')} left out"
        f" ({quote(example, end=True)} of {quote(cut[0])})"
    )


def fewer_pieces_notice(pieces: int, vocab: int, option: str) -> str:
    """One line on a vocabulary that was trained for `vocab` pieces, as `option` asks, and has only `pieces`."""
    return (
        f"the tokenizer was asked for {vocab:,} pieces ({option}), and the captions yielded {pieces:,}, because they"
        " hold no more different words and parts of words; all their words can be read"
    )


def unknown_notices(
    tokenizer: Tokenizer, texts: Sequence[str], known_words: KnownWords | None, kind: str = "prompt"
) -> list[str]:
    """One line for each text that holds nothing to read, or is mostly unknown to the run, with the unknown words.

    Where `known_words` hold every word of the training, one unknown word is enough.
    """
    found = []
    for text, normal, pieces, single in zip(
        texts, tokenizer.normalize(texts), tokenizer.lengths(texts), tokenizer.byte_counts(texts), strict=True
    ):
        advice = _advise_small_letters(tokenizer, normal)
        if pieces <= 1:
            found.append(f"the {kind} {text[:_QUOTED]!a} holds nothing that can be read: it counts as empty")
        elif known_words and (line := _describe_unknown_words(known_words, normal)):
            found.append(f"the {kind} {quote(text)} {line}{advice}")
        elif single >= _MOSTLY * (pieces - 1):
            found.append(f"the {kind} {quote(text)} {_describe_byte_words(tokenizer, normal)}{advice}")
        elif advice:
            found.append(f"the {kind} {quote(text)} holds capitals, which this run's vocabulary lacks{advice}")
    return found[:MOST] + _count_others(found, kind, "empty or unknown to this run")


def _describe_equal_labels(tokenizer: Tokenizer, labels: Sequence[str]) -> list[str]:
    """One line for all labels that are read as the same text as another."""
    same: dict[str, list[str]] = {}
    for label, normal in zip(labels, tokenizer.normalize(labels), strict=True):
        same.setdefault(normal, []).append(label)
    groups = [group for group in same.values() if len(group) > 1]
    if not groups:
        return []
    shown = "; ".join(_listed(group) for group in groups[:MOST]) + ("; …" if len(groups) > MOST else "")
    return [f"labels that this run reads as the same share their probability, so give each once: {shown}"]


def _describe_unknown_words(known: KnownWords, normal: str) -> str:
    words, share = unknown_words(known, normal)
    if not words or not (known.complete or share >= _MOSTLY):
        return ""
    where = (
        "no caption of the training holds"
        if known.complete
        else f"the {len(known.words):,} words that this run knows best do not include"
    )
    return f"is partly unknown: {where} {_listed(words)}" if share < 1 else f"is unknown: {where} {_listed(words)}"


def _describe_byte_words(tokenizer: Tokenizer, normal: str) -> str:
    """Which words of a text fall apart into bytes."""
    words = list(dict.fromkeys(split_words(normal) or normal.split()))
    words = [word for word, count in zip(words, tokenizer.byte_counts(words), strict=True) if count] or words
    return f"is mostly unknown: this run's vocabulary lacks characters of {_listed(words)}"


def _advise_small_letters(tokenizer: Tokenizer, normal: str) -> str:
    """What to do about a vocabulary that tells capitals from small letters and knows the small ones only."""
    small = normal.lower()
    if small != normal and 2 * tokenizer.byte_counts([small])[0] < tokenizer.byte_counts([normal])[0]:
        return "; it was trained on small letters, so write small ones"
    return ""


def find_cut_end(tokenizer: Tokenizer, text: str, length: int) -> str:
    """The end of `text` that `encode` at `length` pieces cuts off, from the beginning of the word that is cut.

    A very long word, or a text without spaces, is cut at a character.
    """
    text = clean_caption(text)
    starts = [0, *(place + 1 for place, letter in enumerate(text) if letter == " ")]
    ends = [*(start - 1 for start in starts[1:]), len(text)]
    whole = _count_fitting(lambda words: text[: ends[words - 1]] if words else "", len(starts), tokenizer, length)
    if whole == len(starts):
        return ""
    start, end = starts[whole], ends[whole]
    if end - start > _LONG_WORD:
        start += _count_fitting(lambda letters: text[: start + letters], end - start, tokenizer, length)
    return text[start:]


def _count_fitting(part: Callable[[int], str], most: int, tokenizer: Tokenizer, length: int) -> int:
    """The largest n up to `most` for which `part(n)` fits into `length` pieces, its end included."""
    return bisect_right(range(1, most + 1), length, key=lambda n: tokenizer.lengths([part(n)])[0])


def quote(text: str, end: bool = False) -> str:
    """`text` on one line in quotes, its beginning if it is long; with `end` as the end of something: "… and so on".

    Marks that would turn the direction of the line are left out.
    """
    text = clean_caption(text).translate(_UNSEEN)
    short = text if len(text) <= _QUOTED else f"{text[:_QUOTED].rstrip()}…"
    return f'"… {short}"' if end else f'"{short}"'


def _listed(words: Sequence[str]) -> str:
    more = len(words) - _NAMED
    named = ", ".join(quote(word) for word in words[:_NAMED])
    return f"{named} and {more} more" if more > 0 else named


def _count_others(found: Sequence[str], kind: str, what: str) -> list[str]:
    more = len(found) - MOST
    return [f"{counted(more, f'more {kind}')} {plural(more, 'is', 'are')} {what}"] if more > 0 else []
