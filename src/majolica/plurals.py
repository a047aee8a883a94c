"""Counted things in messages: 1 tar, 2 tars."""

from __future__ import annotations


def plural(number: float, one: str, many: str = "") -> str:
    """Return `one` if `number` is 1, otherwise `many`; without `many`, it is `one` with an s."""
    return one if number == 1 else many or f"{one}s"


def counted(number: int, one: str, many: str = "") -> str:
    """Return the number and what is counted, such as 1 tar, 1,000 tars, 2 indexes."""
    return f"{number:,} {plural(number, one, many)}"
