"""Histograms, counted in SQL. Their bins are fixed, so that the counts of tasks can be added."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BINS = 40
UNKNOWN = BINS


@dataclass(frozen=True)
class Histogram:
    """`BINS` equal bins between low and high, of the value or of its logarithm. Values outside count in the end
    bins."""

    title: str
    value: str
    """The value, as SQL over the canonical columns and `chars`."""
    low: float
    high: float
    log: bool = False
    whole: bool = False
    """Whether values are whole numbers. Then few are distinct, and it is quicker to count them before their bins are
    found."""

    def edges(self) -> list[float]:
        """Return the `BINS` + 1 limits of the bins."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        steps = [low + (high - low) * i / BINS for i in range(BINS + 1)]
        return [math.exp(step) if self.log else step for step in steps]

    def query(self, table: str) -> str:
        """Return SQL for the rows of `table` in each bin that has any: the number of the bin (`UNKNOWN` for nulls) and
        its rows."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        value = f"ln(greatest(value, {self.low}))" if self.log else "value::DOUBLE"
        place = f"floor(({value} - {low!r}) * {BINS / (high - low)!r})"
        known = f"least(greatest({place}, 0), {BINS - 1})::UTINYINT"
        rows, group = ("count(*)", "GROUP BY value") if self.whole else ("1", "")
        return (
            f"SELECT CASE WHEN value IS NULL THEN {UNKNOWN}::UTINYINT ELSE {known} END AS bin, sum(rows)::BIGINT "
            f"FROM (SELECT {self.value} AS value, {rows} AS rows FROM {table} {group}) GROUP BY bin"
        )


SIDE = "CASE WHEN width IS NOT NULL THEN least(height, width + 0 * height) END"
"""Unknown if either of the two is unknown."""

HISTOGRAMS = {
    "side": Histogram("Shorter side, px", SIDE, 32, 8192, log=True, whole=True),
    "aspect": Histogram("Longer side over shorter", "greatest(width, height) / least(width, height)", 1, 8, log=True),
    "chars": Histogram("Caption, characters", "chars", 4, 4096, log=True, whole=True),
    "similarity": Histogram("Image-text similarity", "similarity", 0.1, 0.5),
    "punsafe": Histogram("Probability of unsafe content", "punsafe", 0, 1),
    "pwatermark": Histogram("Probability of a watermark", "pwatermark", 0, 1),
    "aesthetic": Histogram("Aesthetic score", "aesthetic", 2, 9),
}


def count(connection: DuckDBPyConnection, table: str) -> dict[str, list[int]]:
    """Return, for each name, the rows of `table` in each bin; the last number is that of unknown values."""
    out = {}
    for name, histogram in HISTOGRAMS.items():
        counts = [0] * (BINS + 1)
        for bin_, number in connection.execute(histogram.query(table)).fetchall():
            counts[bin_] = number
        out[name] = counts
    return out


def add(parts: Iterable[Mapping[str, list[int]]]) -> dict[str, list[int]]:
    """Return the sum of the counts of several tasks."""
    total = {name: [0] * (BINS + 1) for name in HISTOGRAMS}
    for part in parts:
        for name, counts in part.items():
            total[name] = [a + b for a, b in zip(total[name], counts, strict=True)]
    return total
