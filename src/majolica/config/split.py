"""How the rows of a global micro-batch are used: a function of a row's place in it, so that no number of ranks matters.

Places count over all ranks: rank r of `world` has the places r, r + world, ... The first places are noisy, the first of
those are painted larger, and the last are clean. So all ranks have as many rows of each kind, give or take one.
"""

from __future__ import annotations

from dataclasses import dataclass

from majolica.config.run import LossConfig


@dataclass(frozen=True)
class RowSplit:
    """Rows of a micro-batch, over all ranks."""

    rows: int
    noisy: int
    """The places below this are noisy, the others are clean."""
    fine: int
    """The places below this are painted larger, where their pictures have the pixels."""

    @property
    def clean(self) -> int:
        return self.rows - self.noisy


def split(loss: LossConfig, rows: int, progress: float) -> RowSplit:
    """The split of a global micro-batch of so many rows at this share of the training."""
    share = loss.clean_share + (loss.clean_share_end - loss.clean_share) * progress
    noisy = rows - round(share * rows)
    return RowSplit(rows, noisy, round(loss.fine_share * noisy))


def largest(loss: LossConfig, rows: int) -> RowSplit:
    """The split at the time of the training that has the most noisy rows."""
    return max((split(loss, rows, progress) for progress in (0.0, 1.0)), key=lambda found: found.noisy)


def of_rank(places: int, rank: int, world: int) -> int:
    """How many of the first `places` a rank has."""
    return max(0, -(-(places - rank) // world))


def clean_by_rank(parts: RowSplit, world: int) -> list[int]:
    """How many clean rows each rank has; the last ranks may have one more than the first."""
    return [parts.rows // world - of_rank(parts.noisy, rank, world) for rank in range(world)]
