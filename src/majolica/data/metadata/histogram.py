"""Histograms counted in SQL: fixed bins, so that the counts of tasks add up."""

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
    """`BINS` equal bins between low and high, of the value or of its logarithm; what lies outside goes to the ends."""

    title: str
    value: str
    """SQL over the canonical columns and `chars`."""
    low: float
    high: float
    log: bool = False

    def edges(self) -> list[float]:
        """The `BINS` + 1 limits."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        steps = [low + (high - low) * i / BINS for i in range(BINS + 1)]
        return [math.exp(step) if self.log else step for step in steps]

    def bin_sql(self) -> str:
        """SQL for the number of the bin; `UNKNOWN` for nulls."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        value = f"ln(greatest({self.value}, {self.low}))" if self.log else f"({self.value})::DOUBLE"
        place = f"floor(({value} - {low!r}) * {BINS / (high - low)!r})"
        known = f"least(greatest({place}, 0), {BINS - 1})::UTINYINT"
        return f"CASE WHEN ({self.value}) IS NULL THEN {UNKNOWN}::UTINYINT ELSE {known} END"


HISTOGRAMS = {
    "side": Histogram(
        "Shorter side, px", "CASE WHEN width IS NOT NULL THEN least(height, width + 0 * height) END", 32, 8192, True
    ),
    "aspect": Histogram("Longer side over shorter", "greatest(width, height) / least(width, height)", 1, 8, True),
    "chars": Histogram("Caption, characters", "chars", 4, 4096, True),
    "similarity": Histogram("Image-text similarity", "similarity", 0.1, 0.5),
    "punsafe": Histogram("Probability of unsafe content", "punsafe", 0, 1),
    "pwatermark": Histogram("Probability of a watermark", "pwatermark", 0, 1),
    "aesthetic": Histogram("Aesthetic score", "aesthetic", 2, 9),
}


def count(connection: DuckDBPyConnection, table: str) -> dict[str, list[int]]:
    """Name -> rows in each bin of `table`, the unknown last."""
    out = {}
    for name, histogram in HISTOGRAMS.items():
        rows = connection.execute(f"SELECT {histogram.bin_sql()} AS bin, count(*) FROM {table} GROUP BY bin").fetchall()
        counts = [0] * (BINS + 1)
        for bin_, number in rows:
            counts[bin_] = number
        out[name] = counts
    return out


def add(parts: Iterable[Mapping[str, list[int]]]) -> dict[str, list[int]]:
    """The sum of the counts of several tasks."""
    total = {name: [0] * (BINS + 1) for name in HISTOGRAMS}
    for part in parts:
        for name, counts in part.items():
            total[name] = [a + b for a, b in zip(total[name], counts, strict=True)]
    return total
