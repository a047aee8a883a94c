"""How the rows of a global micro-batch are used.

It depends only on a row's place in the batch, so the number of ranks does not matter. Places count over all ranks: rank
r of `world` has the places r, r + world, and so on. The first places are noisy, the first of those are painted larger,
and the last places are clean. So all ranks have the same number of rows of each kind, give or take one.

Where rows are painted larger at several scales, these take turns in the order of the multiples of the square root of 2,
so that every rank has about as many rows of each, whatever the number of ranks is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from majolica.config.loss import LossConfig

SQRT_2 = 0x6A09E667F3BCC908
"""The fraction of the square root of 2, times 2^64."""


@dataclass(frozen=True)
class RowSplit:
    """How many rows of a micro-batch are of which kind, over all ranks."""

    rows: int
    noisy: int
    """The places below this one are noisy, the others are clean."""
    fine: int
    """The places below this one are painted larger (see `scale_at`), if their pictures have enough pixels."""

    @property
    def clean(self) -> int:
        return self.rows - self.noisy


def split_rows(loss: LossConfig, rows: int, progress: float) -> RowSplit:
    """Return the split of a global micro-batch of `rows` rows when this share (0 to 1) of the training is done."""
    share = loss.clean_share + (loss.clean_share_end - loss.clean_share) * progress
    noisy = rows - round(share * rows)
    return RowSplit(rows, noisy, round(loss.fine_share * noisy))


def scale_at(place: int, scales: Sequence[int]) -> int:
    """Return the scale at which the row at a place below `RowSplit.fine` is painted.

    The fraction of place * sqrt(2) decides: such fractions fill [0, 1) evenly (Weyl 1916), and so do those of every
    n-th place.
    """
    fraction = place * SQRT_2 % 2**64
    return scales[fraction * len(scales) >> 64]


def fine_on_rank(places: int, scales: Sequence[int], rank: int, world: int) -> dict[int, int]:
    """Return how many of the first `places` places a rank has at each scale."""
    found = [scale_at(place, scales) for place in range(rank, places, world)]
    return {scale: found.count(scale) for scale in scales}


def noisiest_split(loss: LossConfig, rows: int) -> RowSplit:
    """Return the split at the point of the training that has the most noisy rows."""
    return max((split_rows(loss, rows, progress) for progress in (0.0, 1.0)), key=lambda found: found.noisy)


def count_on_rank(places: int, rank: int, world: int) -> int:
    """Return how many of the first `places` places a rank has."""
    return max(0, -(-(places - rank) // world))


def clean_by_rank(parts: RowSplit, world: int) -> list[int]:
    """Return how many clean rows each rank has; the last ranks may have one row more than the first."""
    return [parts.rows // world - count_on_rank(parts.noisy, rank, world) for rank in range(world)]
