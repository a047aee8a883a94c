"""How the rows of a global micro-batch are used.

It depends only on a row's place in the batch, so the number of ranks does not matter. Places count over all ranks: rank
r of `world` has the places r, r + world, and so on. The first places are noisy, the first of those are painted larger,
and the last places are clean. So all ranks have the same number of rows of each kind, give or take one.
"""

from __future__ import annotations

from dataclasses import dataclass

from majolica.config.run import LossConfig


@dataclass(frozen=True)
class RowSplit:
    """How many rows of a micro-batch are of which kind, over all ranks."""

    rows: int
    noisy: int
    """The places below this one are noisy, the others are clean."""
    fine: int
    """The places below this one are painted larger, if their pictures have enough pixels."""

    @property
    def clean(self) -> int:
        return self.rows - self.noisy


def split_rows(loss: LossConfig, rows: int, progress: float) -> RowSplit:
    """Return the split of a global micro-batch of `rows` rows when this share (0 to 1) of the training is done."""
    share = loss.clean_share + (loss.clean_share_end - loss.clean_share) * progress
    noisy = rows - round(share * rows)
    return RowSplit(rows, noisy, round(loss.fine_share * noisy))


def noisiest_split(loss: LossConfig, rows: int) -> RowSplit:
    """Return the split at the point of the training that has the most noisy rows."""
    return max((split_rows(loss, rows, progress) for progress in (0.0, 1.0)), key=lambda found: found.noisy)


def count_on_rank(places: int, rank: int, world: int) -> int:
    """Return how many of the first `places` places a rank has."""
    return max(0, -(-(places - rank) // world))


def clean_by_rank(parts: RowSplit, world: int) -> list[int]:
    """Return how many clean rows each rank has; the last ranks may have one row more than the first."""
    return [parts.rows // world - count_on_rank(parts.noisy, rank, world) for rank in range(world)]
