"""Warnings (`Notice`) to whoever calls the pipeline, about what is done all the same."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Hashable, Iterable, Sequence

from majolica.errors import Notice

_INSIDE = ("majolica.sampling", "torch")
"""Packages whose code is not the caller's: the pipeline, and what torch wraps around its methods.
"""


def warn(lines: Iterable[str]) -> None:
    """Warn with each line, at the line of code that called the pipeline."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(_INSIDE):
        level, frame = level + 1, frame.f_back
    for line in lines:
        warnings.warn(line, Notice, stacklevel=level)


def find_repeats(asked: Sequence[Hashable]) -> list[str]:
    """A line on the first picture that is asked for twice; none where each is another."""
    seen: dict[Hashable, int] = {}
    for row, wish in enumerate(asked):
        if seen.setdefault(wish, row) != row:
            return [
                f"pictures {seen[wish]} and {row} (counted from 0) have one prompt and one seed and are one"
                " picture: give each its own seed for variants"
            ]
    return []
