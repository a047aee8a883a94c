"""How much of a mixture each source has, over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from majolica.config.data import DataConfig
from majolica.config.sources import sources_of
from majolica.data.order.mixture import by_temperature
from majolica.errors import UserError
from majolica.plurals import counted, plural


@dataclass(frozen=True)
class Shares:
    """How much of the mixture each source has, at the start and from position `over` on."""

    start: tuple[float, ...]
    end: tuple[float, ...]
    over: int = 0

    def average(self) -> tuple[float, ...]:
        """Return weights with which a source that only comes later, or ceases, is not overlooked."""
        if self.start == self.end:
            return self.start
        first, last = sum(self.start), sum(self.end)
        return tuple(a / first + b / last for a, b in zip(self.start, self.end, strict=True))


def shares_of(config: DataConfig, sizes: Sequence[int]) -> Shares:
    """Return the weights of the sources over time. Raises UserError if they do not fit the sources."""
    sources = sources_of(config)
    start = [source.weight for source in sources]
    if config.temperature > 0:
        start = by_temperature(sizes, config.temperature)
    end = list(config.weights_end) or start
    if len(end) != len(start):
        there = f"there {plural(len(start), 'is', 'are')} {counted(len(start), 'source')}"
        raise UserError(f"--data.weights-end has {counted(len(end), 'weight')} and {there}: give each one")
    for name, weights in (("data.sources", start), ("--data.weights-end", end)):
        if min(weights) < 0 or not sum(weights) > 0:
            raise UserError(f"the weights of {name} are {weights}: none may be negative, and one must be above 0")
    return Shares(tuple(start), tuple(end), config.weights_over)
