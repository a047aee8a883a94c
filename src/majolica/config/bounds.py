"""The range of a number stands on its field, and `check_ranges` holds every field of a configuration to its range.

A field says its range in its type: `share: Annotated[float, above(0), at_most(1)]`. A number that says nothing must be
finite and not negative; one that may be negative says `ANY`. YAML and the command line ignore all of this.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any

from majolica.errors import UserError


@dataclass(frozen=True)
class Bound:
    """A range of numbers."""

    advice: str
    """What the user is told of a number outside of it; an error message ends with these words."""
    holds: Callable[[float], bool]
    """Whether a number lies in it. NaN lies in no range."""


def above(low: float) -> Bound:
    """Numbers greater than `low`."""
    return Bound(f"it must be above {low:g}", lambda value: value > low)


def below(high: float) -> Bound:
    """Numbers less than `high`."""
    return Bound(f"it must be below {high:g}", lambda value: value < high)


def at_least(low: float) -> Bound:
    """Numbers from `low` on."""
    return Bound(f"it must be at least {low:g}", lambda value: value >= low)


def at_most(high: float) -> Bound:
    """Numbers up to `high`."""
    return Bound(f"it must be at most {high:g}", lambda value: value <= high)


def between(low: float, high: float) -> Bound:
    """Numbers from `low` to `high`, both included."""
    return Bound(f"it must be between {low:.10g} and {high:.10g}", lambda value: low <= value <= high)


def at_least_or_off(low: float) -> Bound:
    """Numbers from `low` on, and 0, which stands for no limit."""
    return Bound(f"it must be at least {low:g}, or 0 for no limit", lambda value: value == 0 or value >= low)


FINITE = Bound("give a finite number", math.isfinite)
NOT_NEGATIVE = Bound("it must not be negative", lambda value: value >= 0)
ANY = FINITE
"""For a number that may be negative."""
SHARE = Bound("it is a share, between 0 and 1", lambda value: 0 <= value <= 1)


def check_ranges(config: Any) -> None:
    """Raise UserError for the first number in a configuration, a dataclass, that lies outside of its field's range.

    Fields that are dataclasses, and tuples of them or of numbers, are checked as well.
    """
    for name, value, bounds in numbers(config):
        for bound in (*bounds, FINITE) if bounds else (FINITE, NOT_NEGATIVE):
            if not bound.holds(value):
                raise UserError(f"{name} is {_format(value)}: {bound.advice}")


def numbers(config: Any, path: str = "") -> Iterator[tuple[str, float, tuple[Bound, ...]]]:
    """Every number in a configuration: its dotted name, its value, and the bounds that its field states."""
    kind: type = type(config)
    for field in fields(config):
        hint = _hints(kind)[field.name]
        bounds = tuple(item for item in getattr(hint, "__metadata__", ()) if isinstance(item, Bound))
        yield from _numbers_in(getattr(config, field.name), f"{path}{field.name}", bounds)


def _numbers_in(value: Any, name: str, bounds: tuple[Bound, ...]) -> Iterator[tuple[str, float, tuple[Bound, ...]]]:
    if is_dataclass(value):
        yield from numbers(value, f"{name}.")
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from _numbers_in(item, f"{name}[{i}]", bounds)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, value, bounds


def _format(value: float) -> str:
    """A whole number with all its digits, any other as short as it goes."""
    return str(value) if isinstance(value, int) else f"{value:g}"


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)
