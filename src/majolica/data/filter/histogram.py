"""Histograms that are counted in SQL.

Their bins are fixed, so that the counts of tasks can be added.
"""

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
    """`BINS` equal bins from low to high, of the value or of its logarithm.

    Values that lie outside count in the first or the last bin.
    """

    title: str
    value: str
    """SQL for the value, over the canonical columns and `chars`."""
    low: float
    high: float
    log: bool = False
    unit: str = ""
    whole: bool = False
    """Whether the values are whole numbers.

    They have few distinct values, so that it is quicker to count these before looking for their
    bins.
    """

    def edges(self) -> list[float]:
        """The `BINS` + 1 edges of the bins."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        steps = [low + (high - low) * i / BINS for i in range(BINS + 1)]
        return [math.exp(step) if self.log else step for step in steps]

    def query(self, table: str) -> str:
        """SQL for the number of each bin that has rows of `table`, and the number of its rows.

        NULL values count in the bin `UNKNOWN`.
        """
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
"""SQL for the shorter side, NULL where either side is."""

ASPECT = "CASE WHEN width IS NOT NULL AND height IS NOT NULL THEN greatest(width, height) / least(width, height) END"
"""SQL for the longer side over the shorter, NULL where either is; greatest() and least() ignore NULLs."""

HISTOGRAMS = {
    "side": Histogram("Shorter side", SIDE, 32, 8192, log=True, unit="px", whole=True),
    "aspect": Histogram("Longer side over shorter", ASPECT, 1, 8, log=True),
    "chars": Histogram("Characters of a caption", "chars", 4, 4096, log=True, whole=True),
    "similarity": Histogram("Image-text similarity", "similarity", 0.1, 0.5),
    "punsafe": Histogram("Probability of unsafe content", "punsafe", 0, 1),
    "pwatermark": Histogram("Probability of a watermark", "pwatermark", 0, 1),
    "aesthetic": Histogram("Aesthetic score", "aesthetic", 2, 9),
}


def count_bins(connection: DuckDBPyConnection, table: str) -> dict[str, list[int]]:
    """The rows of `table` in each bin of each histogram; the last bin has unknown values."""
    out = {}
    for name, histogram in HISTOGRAMS.items():
        counts = [0] * (BINS + 1)
        for bin_, number in connection.execute(histogram.query(table)).fetchall():
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
