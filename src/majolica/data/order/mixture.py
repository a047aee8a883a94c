"""Which source each position reads. Each source has an exact quota in every block, and no state is needed.

A block gives each source a whole number of places (by largest remainders), and a permutation keyed by (seed, block)
says which places these are. The places of a source are numbered without a gap, in the order of the positions, so a
source is read once as a whole before any of it comes again. Shares may change over training, and any position can be
asked for on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from majolica.data.counter import I64, mix
from majolica.data.order.permutation import permute
from majolica.errors import UserError

F64 = NDArray[np.float64]

Rare = Literal["refuse", "enlarge"]
"""What becomes of a share that is too small to be kept."""

BLOCK = 10_000
"""Rounds in a block. Shares are kept to within 1 / BLOCK."""


class Mixture:
    """Sources whose shares move from `start` to `end` over the first `over` positions, block by block.

    A round is `streams` positions, one for each stream, and a block is `block` rounds. Every stream has the same quotas
    in a block, because all streams follow one pattern, each from a different place in it on.
    """

    def __init__(
        self,
        start: Sequence[float],
        end: Sequence[float],
        over: int,
        seed: int,
        block: int = BLOCK,
        streams: int = 1,
        rare: Rare = "refuse",
    ) -> None:
        self.seed, self.block, self.streams = seed, block, streams
        changing = -(-over // (block * streams))
        # If all weights are 0 at one end, the weights of the other end are used.
        start, end = (start if any(start) else end), (end if any(end) else start)
        place = ((np.arange(changing + 1) + 0.5) / max(1, changing)).clip(max=1)[:, None]
        shares = (1 - place) * normalise(start) + place * normalise(end)
        shares[changing] = normalise(end)
        self._quota = round_shares(shares, block, rare)
        """Places of each source `(K, S)` in one stream: a row for each block in which shares change, and one row for
        all blocks that follow."""
        self._before = np.vstack((np.zeros_like(self._quota[:1]), self._quota[:-1].cumsum(0)))
        self._deals = lru_cache(maxsize=8)(self._deal)

    def locate(self, positions: I64) -> tuple[I64, I64]:
        """Return the source of each position `(N,)`, and how many earlier positions have the same source."""
        source, number = np.empty_like(positions), np.empty_like(positions)
        block, place = np.divmod(positions, self.block * self.streams)
        for b in np.unique(block):
            here = block == b
            turn, stream = np.divmod(place[here], self.streams)
            deal = self._deals(int(b))
            turns, which = np.unique(turn, return_inverse=True)
            sources_KT = deal.round(turns)
            found = sources_KT[which, stream]
            source[here] = found
            number[here] = (
                self.streams * self._count(b, found)
                + deal.before[turn, found]
                + count_earlier(sources_KT)[which, stream]
            )
        return source, number

    def count_in_stream(self, positions: I64, source: I64) -> I64:
        """Return how many earlier positions of the same stream have this `source` `(N,)`."""
        count = np.empty_like(positions)
        block, place = np.divmod(positions, self.block * self.streams)
        for b in np.unique(block):
            here = block == b
            turn, stream = np.divmod(place[here], self.streams)
            count[here] = self._count(b, source[here]) + self._deals(int(b)).count_in_stream(turn, stream, source[here])
        return count

    def count_per_stream(self, source: int, number: int) -> I64:
        """Return how many of its positions each stream has given to `source`, `(streams,)`, once all streams together
        have given it `number`."""
        starts = self.streams * self._before[:, source]
        row = int(np.searchsorted(starts, number, side="right")) - 1
        left, quota = number - int(starts[row]), self.streams * int(self._quota[row, source])
        if row == len(starts) - 1 and not quota:  # the source has left the mixture before
            return np.full(self.streams, self._before[row, source])
        block = row + (left // quota if row == len(starts) - 1 else 0)
        deal = self._deals(block)
        left = number - self.streams * int(self._count(block, source))
        turn = int(np.searchsorted(deal.before[:, source], left, side="right")) - 1
        mine = deal.round(np.array([turn]))[0] == source
        gone = mine & (mine.cumsum() <= left - deal.before[turn, source])
        streams = np.arange(self.streams)
        in_block = deal.count_in_stream(np.full_like(streams, turn), streams, np.full_like(streams, source))
        count: I64 = self._count(block, source) + in_block + gone
        return count

    def _count(self, block: int, source: I64 | int) -> I64:
        """Return how many positions of a source one stream has before a block."""
        row = min(block, len(self._quota) - 1)
        count: I64 = self._before[row, source] + (block - row) * self._quota[-1, source]
        return count

    def _deal(self, block: int) -> Deal:
        places = np.arange(self.block, dtype=np.int64)
        slot = permute(places, self.block, mix(self.seed, 2, block))
        quota = self._quota[min(block, len(self._quota) - 1)]
        pattern = np.searchsorted(quota.cumsum(), slot, side="right")
        shift = np.zeros(1, np.int64)
        if self.streams > 1:
            shift = (mix(self.seed, 5, block, np.arange(self.streams)) % np.uint64(self.block)).astype(np.int64)
        return Deal.of(pattern, shift, len(quota))


@dataclass(frozen=True)
class Deal:
    """The sources of a block: stream k reads source `pattern[(turn + shift[k]) % len(pattern)]` in its round `turn`."""

    pattern: I64
    shift: I64
    counts: I64
    """`counts[i, s]` is the number of places of source s among the first i of the pattern."""
    before: I64
    """`before[turn, s]` is the number of positions of source s in the rounds before `turn`, over all streams."""

    @staticmethod
    def of(pattern: I64, shift: I64, sources: int) -> Deal:
        """Make the deal of a pattern. How many positions of a round have a source is a circular correlation of the
        places of that source in the pattern with the shifts of the streams."""
        member_LS = pattern[:, None] == np.arange(sources)
        streams_L = np.bincount(shift, minlength=len(pattern))
        spectrum = np.fft.rfft(streams_L).conj()[:, None] * np.fft.rfft(member_LS, axis=0)
        rounds_LS = np.rint(np.fft.irfft(spectrum, len(pattern), axis=0)).astype(np.int64)
        none = np.zeros((1, sources), np.int64)
        return Deal(pattern, shift, np.vstack((none, member_LS.cumsum(0))), np.vstack((none, rounds_LS.cumsum(0))))

    def round(self, turns: I64) -> I64:
        """Return the sources of all streams in some rounds, `(rounds, streams)`."""
        found: I64 = self.pattern[(turns[:, None] + self.shift) % len(self.pattern)]
        return found

    def count_in_stream(self, turn: I64, stream: I64, source: I64) -> I64:
        """Return how often each stream has had the source in this block before its round `turn`."""
        first = self.shift[stream]
        wrapped, last = np.divmod(first + turn, len(self.pattern))
        count: I64 = self.counts[last, source] + wrapped * self.counts[-1, source] - self.counts[first, source]
        return count


def count_earlier(sources_KT: I64) -> I64:
    """Return, for each place of each row, how many places before it in the row hold the same value."""
    order = np.argsort(sources_KT, axis=1, kind="stable")
    sorted_KT = np.take_along_axis(sources_KT, order, 1)
    place = np.arange(sources_KT.shape[1])
    first = np.ones_like(sorted_KT, dtype=bool)
    first[:, 1:] = sorted_KT[:, 1:] != sorted_KT[:, :-1]
    start = np.maximum.accumulate(np.where(first, place, 0), axis=1)
    rank = np.empty_like(sources_KT)
    np.put_along_axis(rank, order, place - start, 1)
    return rank


def normalise(weights: Sequence[float]) -> F64:
    """Return the weights as shares that sum to 1."""
    shares: F64 = np.asarray(weights, np.float64) / sum(weights)
    return shares


def round_shares(shares_KS: F64, block: int, rare: Rare = "refuse") -> I64:
    """Return the shares as whole numbers `(K, S)` that sum to `block` in each row, by largest remainders.

    If a share above 0 gets nothing at all in the end, this raises UserError, or with `rare` "enlarge" gives each share
    above 0 at least one place, which the largest share of its row lacks.
    """
    whole, starved = _take_remainders(shares_KS, block), find_starved(shares_KS, block)
    if starved.any() and rare == "enlarge":
        none_KS = (shares_KS > 0) & (whole == 0)
        whole += none_KS
        whole[np.arange(len(whole)), whole.argmax(1)] -= none_KS.sum(1)
    elif starved.any():
        raise UserError(
            f"source {int(starved.argmax())} has a share of {shares_KS[-1][starved][0]:.2g} of the mixture, "
            f"and {1 / block:g} is the smallest that can be kept: raise its weight or leave it out"
        )
    return whole


def find_starved(shares_KS: F64, block: int) -> NDArray[np.bool_]:
    """Return which shares of the last row are above 0 and get nothing of a block `(S,)`."""
    found: NDArray[np.bool_] = (shares_KS[-1] > 0) & (_take_remainders(shares_KS[-1:], block)[0] == 0)
    return found


def _take_remainders(shares_KS: F64, block: int) -> I64:
    exact = shares_KS * block
    whole: I64 = np.floor(exact).astype(np.int64)
    missing = block - whole.sum(1)
    order = np.argsort(-(exact - whole), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(order.shape[1])[None].repeat(len(order), 0), 1)
    whole += rank < missing[:, None]
    return whole


def by_temperature(sizes: Sequence[int], temperature: float) -> list[float]:
    """Return weights proportional to size^(1/T) (mT5, arXiv 2010.11934).

    With T = 1 they are the sizes themselves; the larger T is, the less they differ.
    """
    return [size ** (1 / temperature) for size in sizes]
