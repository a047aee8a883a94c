"""Properties whose values are names: the table of the names that training saw, and how it is counted.

Name i of K has the value (i + 0.5) / K, so that a category enters a model in the way of every other
property, between 0 and 1, and no layer has another shape for it.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

MOST = 32
"""Names of a category at most; the features of a value can hardly tell more of them apart."""

EncodeName = Callable[[str], float]
"""From a folded name to its value; NaN for "" and for a name that has none."""
NO_CATEGORIES: Mapping[str, EncodeName] = {}


def fold_name(name: str) -> str:
    """A name as it is compared: in small letters, with single spaces."""
    return " ".join(name.casefold().split())


def parse_names(what: str, found: object) -> tuple[str, ...]:
    """The names of a category as they were kept; ValueError, which says `what` they name, for anything else."""
    if not isinstance(found, list) or any(not each or each != fold_name(str(each)) for each in found):
        raise ValueError(f"the names of {what} are no list of names in small letters")
    if len(set(found)) < len(found):
        raise ValueError(f"the names of {what} have one twice")
    return tuple(found)


@dataclass(frozen=True)
class NameTable:
    """The names of one category, folded and each once; called with a name it gives the value of it."""

    names: tuple[str, ...] = ()

    def __call__(self, name: str) -> float:
        """The value from 0 to 1 of a folded name; NaN for a name that is not in the table."""
        return (self.names.index(name) + 0.5) / len(self.names) if name in self.names else float("nan")


class Numbering:
    """Gives each name a number of its own when it first comes, so that one pass over the data can count them.

    It is safe to use from many threads. The numbers depend on the order in which they read, and what `choose` returns
    does not.
    """

    def __init__(self) -> None:
        self._next = itertools.count()
        self._numbers: dict[str, int] = {}

    def __call__(self, name: str) -> float:
        """The number of a folded name; NaN for ""."""
        # Of two threads with a new name one number is lost, which does no harm; a length would be given out twice.
        return float(self._numbers.setdefault(name, next(self._next))) if name else float("nan")

    def choose(self, numbers: Iterable[float]) -> NameTable:
        """The most frequent names behind these numbers, at most `MOST`, the most frequent first; NaN are left out."""
        names = {float(number): name for name, number in self._numbers.items()}
        counts = Counter(names[number] for number in numbers if number in names)
        ranked = sorted(counts, key=lambda name: (-counts[name], name))
        return NameTable(tuple(ranked[:MOST]))
