"""Captions as they come from the web, made safe: no control characters, one space at a time, no megabytes."""

from __future__ import annotations

import re

LONGEST = 100_000
"""Bytes of UTF-8 kept of one caption."""

# C0 and C1 controls but for white space (which is folded below), lone surrogates, and the byte order mark.
# Joiners and direction marks stay: Persian, Hindi and emoji need them.
_UNWANTED = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff]")
_SPACE = re.compile(r"[\s\x1c-\x1f\x85]+")


def clean_caption(text: str) -> str:
    """Caption without control characters, white space folded to single spaces, at most `LONGEST` bytes.

    Never raises: an empty caption stays empty. Case and punctuation are kept for people to read; the tokenizer's own
    normalisation, which stands in its file, folds case where the vocabulary was trained so.
    """
    # A cheap cut first (a character is at least one byte), so that a hostile caption costs no more than this.
    text = _UNWANTED.sub("", text[:LONGEST])
    text = _SPACE.sub(" ", text).strip()
    return text.encode()[:LONGEST].decode(errors="ignore").strip()
