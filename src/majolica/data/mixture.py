"""Which source each position reads: exact quotas in every block of positions, no state.

A block of positions gives each source a whole number of places (largest remainders), and a permutation keyed
by (seed, stream, block) deals the places out. So shares are exact, may change over training, and any position can
be asked on its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from majolica.data.counter import mix
from majolica.data.order import permute
from majolica.errors import UserError

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

BLOCK = 10_000
"""Positions that share a quota: shares are kept to 1 / BLOCK."""


class Mixture:
    """Sources with shares `start` that move linearly to `end` over the first `over` positions."""

    def __init__(self, start: Sequence[float], end: Sequence[float], over: int, seed: int, block: int = BLOCK) -> None:
        self.seed, self.block = seed, block
        changing = -(-over // block)
        # Weights that are all 0 at one end say nothing there.
        start, end = (start if any(start) else end), (end if any(end) else start)
        place = ((np.arange(changing + 1) + 0.5) / max(1, changing)).clip(max=1)[:, None]
        shares = (1 - place) * normalised(start) + place * normalised(end)
        shares[changing] = normalised(end)
        self._quota = quotas(shares, block)
        """Rows: the blocks in which shares change, then one for all that follow."""
        self._ends = self._quota.cumsum(1)
        self._before = np.vstack((np.zeros_like(self._quota[:1]), self._quota[:-1].cumsum(0)))

    def locate(self, positions: I64, streams: I64 | int = 0) -> tuple[I64, I64]:
        """Source and place in that source's own order for each position `(N,)` of its stream.

        Every stream deals the same quotas in another order.
        """
        block, place = np.divmod(positions, self.block)
        row = np.minimum(block, len(self._quota) - 1)
        slot = permute(place, self.block, mix(self.seed, 2, block, streams))
        source = (slot[:, None] >= self._ends[row]).sum(1)
        before = self._before[row, source] + (block - row) * self._quota[-1, source]
        return source, before + slot - (self._ends - self._quota)[row, source]


def normalised(weights: Sequence[float]) -> F64:
    """Shares that sum to 1."""
    shares: F64 = np.asarray(weights, np.float64) / sum(weights)
    return shares


def quotas(shares_KS: F64, block: int) -> I64:
    """Whole numbers `(K, S)` that sum to `block` in each row: the shares by largest remainder.

    UserError when a share above 0 gets nothing at all.
    """
    exact = shares_KS * block
    whole = np.floor(exact).astype(np.int64)
    missing = block - whole.sum(1)
    order = np.argsort(-(exact - whole), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(order.shape[1])[None].repeat(len(order), 0), 1)
    whole += rank < missing[:, None]
    starved = (shares_KS[-1] > 0) & (whole[-1] == 0)
    if starved.any():
        raise UserError(
            f"source {int(starved.argmax())} has a share of {shares_KS[-1][starved][0]:.2g} of the mixture, "
            f"and {1 / block:g} is the smallest that can be kept: raise its weight or leave it out"
        )
    return whole


def by_temperature(sizes: Sequence[int], temperature: float) -> list[float]:
    """Weights proportional to size^(1/T): T = 1 is as large as they are, above 1 flatter (mT5, arXiv 2010.11934)."""
    return [size ** (1 / temperature) for size in sizes]
