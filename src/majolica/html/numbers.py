"""Numbers in the words that a reader expects."""

from __future__ import annotations

import math
from collections.abc import Callable

SPACE = "\N{NO-BREAK SPACE}"


def duration(seconds: float) -> str:
    """Such as 41 s, 9 min 58 s, 3 h 20 min, 9 d 17 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole if seconds >= 10 else format(seconds, '.1f')}{SPACE}s"
    for size, name, part, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size}{SPACE}{name}" + (f"{SPACE}{rest}{SPACE}{small}" if rest else "")
    raise AssertionError  # the loop returns for all of 60 s and more


def abbreviate_count(number: float) -> str:
    """Such as 845, 12.3 k, 3.2 M, 2.5 G."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= size:
            value = number / (1e3 if unit == "k" else size)
            return f"{value:.3g}{SPACE}{unit}"
    return f"{number:g}"


def byte_size(count: float) -> str:
    """Such as 999 B, 1.2 kB, 3.2 MB, 4.5 TB, where 1 kB is 1,000 bytes."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def aspect_ratio(value: float) -> str:
    """Width over height: 1.5:1 for a picture of 3:2, and 1:2 for one twice as high as wide."""
    return f"{value:.3g}:1" if value >= 1 else f"1:{1 / value:.3g}"


def share(part: float, whole: float) -> str:
    """`part` of `whole` in percent; nothing where there is no whole."""
    return f"{part / whole:.2%}" if whole else ""


def short_number(number: float) -> str:
    """A number beside an axis, such as 20k, 1.5M, 0.002, 1e-05."""
    size = abs(number)
    if size >= 1e6:
        return f"{number / 1e6:g}M"
    if size >= 1e4:
        return f"{number / 1e3:g}k"
    return f"{number:.0e}" if 0 < size < 1e-4 else f"{number:g}"


def describe_span(low: float, high: float, label: Callable[[float], str] = short_number, whole: bool = False) -> str:
    """The values from `low` to below `high` in words; an end that is infinite is open.

    With `whole` they are whole numbers above zero, and the first and the last of them are named.
    """
    if whole:
        low, high = (end if math.isinf(end) else math.ceil(end * (1 - 1e-9)) for end in (low, high))
        high -= 1
    if high <= low:
        return label(low)
    if math.isinf(low):
        return f"{'up to' if whole else 'below'} {label(high)}"
    return f"{label(low)} or more" if math.isinf(high) else f"{label(low)} to {label(high)}"
