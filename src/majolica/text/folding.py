"""The normalisation of new vocabularies: SentencePiece's nmt_nfkc_cf, and what it leaves undone.

The rules are stored in the tokenizer file itself, so any reader of the file applies them, and a file that was trained
with other rules keeps its own.
"""

from __future__ import annotations

from functools import lru_cache

import sentencepiece
from sentencepiece import SentencePieceNormalizer

QUIET = 2
"""SentencePiece's log level: errors only."""

BASE = "nmt_nfkc_cf"
"""NFKC with case folding, by one entry for each character or sequence that changes (arXiv 1808.06226, section 3.3)."""

KEPT = ("\u200c",)
"""ZWNJ, which `BASE` turns into a space: Persian needs it inside of words, and Indic scripts to part conjuncts."""

DROPPED = "\u00ad\u034f\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
"""Soft hyphens, word joiners and marks of direction: nobody sees them, and inside of a word they would break it."""

FOLDED = {"\u0130": "i", "\u0131": "i", "\u1e9e": "ss", "\u00df": "ss"}
"""Letters that `BASE` leaves although their capitals fold to something else: the Turkish i's and the German sharp s."""


@lru_cache(maxsize=1)
def folding_normalizer() -> SentencePieceNormalizer:
    """`BASE` with `KEPT`, `DROPPED` and `FOLDED`, for SentencePiece's trainer. Takes about a second, once."""
    sentencepiece.SetMinLogLevel(QUIET)
    letters = str.maketrans(FOLDED)
    rules = {
        source: target.translate(letters) for source, target in SentencePieceNormalizer(rule_name=BASE).Decompile()
    }
    rules |= FOLDED | dict.fromkeys(DROPPED, "")
    for character in KEPT:
        del rules[character]
    return SentencePieceNormalizer(
        norm_map=list(rules.items()), add_dummy_prefix=True, escape_whitespaces=True, remove_extra_whitespaces=True
    )
