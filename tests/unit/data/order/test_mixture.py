"""Quotas are exact in every block, every source is read in its own order without a gap, at any position."""

from __future__ import annotations

import numpy as np
import pytest

from majolica.data.order.mixture import BLOCK, Mixture, by_temperature, round_shares
from majolica.errors import UserError

START, END = (5.0, 3.0, 2.0), (1.0, 1.0, 8.0)


def test_every_block_keeps_its_quota_exactly() -> None:
    source, _ = Mixture(START, START, 0, seed=1).locate(np.arange(5 * BLOCK))
    for block in source.reshape(5, BLOCK):
        assert np.bincount(block, minlength=3).tolist() == [5000, 3000, 2000]


def test_weights_move_linearly_and_then_stay() -> None:
    source, _ = Mixture(START, END, 4 * BLOCK, seed=1).locate(np.arange(7 * BLOCK))
    counts = np.array([np.bincount(block, minlength=3) for block in source.reshape(7, BLOCK)])
    for block, row in enumerate(counts):
        place = min(1.0, (block + 0.5) / 4) if block < 4 else 1.0
        exact = (1 - place) * np.array(START) / 10 + place * np.array(END) / 10
        assert np.abs(row - exact * BLOCK).max() < 1
    assert (counts[4:] == [1000, 1000, 8000]).all()


@pytest.mark.parametrize("over", [0, 1, 35_000])
def test_each_source_is_numbered_without_a_gap_or_a_repeat(over: int) -> None:
    source, place = Mixture(START, END, over, seed=3).locate(np.arange(6 * BLOCK))
    for s in range(3):
        assert np.array_equal(np.sort(place[source == s]), np.arange((source == s).sum()))


def test_a_position_can_be_asked_on_its_own() -> None:
    mixture = Mixture(START, END, 35_000, seed=3)
    positions = np.random.default_rng(0).integers(0, 10**9, 500)
    together = np.stack(mixture.locate(positions))
    alone = np.stack([np.stack(mixture.locate(p[None]))[:, 0] for p in positions], axis=1)
    assert np.array_equal(together, alone)


def test_sources_are_mixed_inside_a_block() -> None:
    source, _ = Mixture(START, START, 0, seed=1).locate(np.arange(BLOCK))
    halves = [np.bincount(half, minlength=3) for half in source.reshape(2, -1)]
    assert np.abs(halves[0] - halves[1]).max() < 250  # 5 standard deviations of a fair deal
    other, _ = Mixture(START, START, 0, seed=2).locate(np.arange(BLOCK))
    assert (source != other).mean() > 0.5


def test_largest_remainders() -> None:
    assert round_shares(np.array([[1 / 3, 1 / 3, 1 / 3]]), 10).tolist() == [[4, 3, 3]]
    assert round_shares(np.array([[0.0, 0.25, 0.75]]), 10).tolist() == [[0, 3, 7]]


def test_a_share_too_small_to_keep_is_refused() -> None:
    with pytest.raises(UserError, match=r"source 1 has a share of 1e-05 .* raise its weight"):
        Mixture((1, 1e-5), (1, 1e-5), 0, seed=0)


def test_a_source_may_come_in_late_or_go_out() -> None:
    mixture = Mixture((1, 0), (0, 1), 2 * BLOCK, seed=0)
    source, _ = mixture.locate(np.arange(4 * BLOCK))
    assert source[2 * BLOCK :].all() and 0 < source[:BLOCK].sum() < source[BLOCK : 2 * BLOCK].sum() < BLOCK


def test_temperature_flattens() -> None:
    assert by_temperature([100, 10_000], 1) == [100, 10_000]
    assert by_temperature([100, 10_000], 2) == pytest.approx([10, 100])


@pytest.mark.parametrize("streams", [1, 4, 1024])
def test_the_places_of_a_source_are_consecutive_in_the_order_of_the_positions(streams: int) -> None:
    """Over all streams, in a block that is half read as in whole ones, and while weights change."""
    mixture = Mixture(START, END, 2 * 50 * streams, seed=3, block=50, streams=streams)
    source, number = mixture.locate(np.arange(200 * streams + 77))
    for s in range(3):
        assert np.array_equal(number[source == s], np.arange((source == s).sum()))


def test_every_stream_has_the_same_quotas_and_an_order_of_its_own() -> None:
    source, _ = Mixture(START, START, 0, seed=3, block=50, streams=8).locate(np.arange(3 * 50 * 8))
    blocks = source.reshape(3, 50, 8).transpose(0, 2, 1)
    assert (np.sort(blocks, axis=2) == np.sort(blocks[:1, :1], axis=2)).all()
    assert len({row.tobytes() for row in blocks.reshape(-1, 50)}) > 20


def test_what_each_stream_has_read_when_a_source_has_reached_a_number() -> None:
    mixture = Mixture((1.0, 1.0, 0.0), (0.0, 1.0, 1.0), 200, seed=3, block=25, streams=4)
    positions = np.arange(25 * 4 * 6)
    source, number = mixture.locate(positions)
    assert not (source[300:] == 0).any()  # it has gone out
    for s in range(3):
        for reached in (0, 1, 17, 60, 99):
            expected = np.bincount(positions[(source == s) & (number < reached)] % 4, minlength=4)
            assert np.array_equal(mixture.count_per_stream(s, reached), expected)
    for stream in range(4):
        mine = positions[stream::4]
        for s in range(3):
            counted = mixture.count_in_stream(mine, np.full_like(mine, s))
            assert np.array_equal(counted[1:], (source[mine] == s).cumsum()[:-1])
