"""Streams, mixture and order together: every sample once an epoch, and ranks that share nothing."""

from __future__ import annotations

import numpy as np
import pytest

from majolica.data.order import permutation as order
from majolica.data.order import reading_order
from majolica.data.order.buckets import BucketOrder, assign_buckets, list_grids
from majolica.data.order.permutation import sample_index
from majolica.data.order.reading_order import ReadingOrder
from majolica.data.order.shares import Shares

EVEN = Shares((1.0, 1.0), (1.0, 1.0))


def test_one_source_is_the_order_itself() -> None:
    source, sample = ReadingOrder([700], Shares((1.0,), (1.0,)), 5).locate(np.arange(2000))
    assert not source.any() and np.array_equal(sample, sample_index(np.arange(2000), 700, 5))


def reads(made: ReadingOrder, positions: int) -> list[np.ndarray]:
    source, sample = made.locate(np.arange(positions))
    return [sample[source == s] for s in range(len(made.sizes))]


@pytest.mark.parametrize("streams", [1, 8])
@pytest.mark.parametrize(
    ("sizes", "shares"), [((900, 7), EVEN), ((900, 700), EVEN), ((2000, 90), Shares((9, 1), (9, 1)))]
)
def test_a_source_is_read_through_before_any_of_it_comes_again(
    sizes: tuple[int, int], shares: Shares, streams: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "LARGE", 800 if streams > 1 else 10**9)
    monkeypatch.setattr(order, "STREAMS", streams)
    monkeypatch.setattr(reading_order, "BLOCK", 130)
    made = ReadingOrder(sizes, shares, 7)
    assert made.streams == streams
    for size, samples in zip(sizes, reads(made, 7001), strict=True):
        whole = samples[: len(samples) // size * size].reshape(-1, size)
        assert len(whole) > 2 and (np.sort(whole, axis=1) == np.arange(size)).all()
        assert not np.array_equal(whole[0], whole[1])
        rest = samples[whole.size :]
        assert len(np.unique(rest)) == len(rest)


def test_large_mixtures_keep_shares_as_finely_as_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "LARGE", 1000)
    monkeypatch.setattr(order, "STREAMS", 4)
    share = 0.0003
    found = reads(ReadingOrder([700, 2300], Shares((share, 1 - share), (share, 1 - share)), 7), 4 * reading_order.BLOCK)
    assert [len(samples) for samples in found] == [12, 39_988]


def test_streams_give_each_rank_chunks_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "LARGE", 1000)
    monkeypatch.setattr(order, "STREAMS", 16)
    monkeypatch.setattr(reading_order, "STREAM_WINDOW", 4)
    one = ReadingOrder([160_000], Shares((1.0,), (1.0,)), 3)
    chunks = []
    for rank in range(4):
        _, sample = one.locate(np.arange(rank, 160_000, 4))
        chunks.append(np.unique(sample // order.CHUNK))
    total = sum(map(len, chunks))
    assert total < 1.05 * 1600  # chunks that straddle two streams are read by both
    first = [one.locate(np.arange(rank, 16_000, 4))[1] for rank in range(4)]
    assert all(len(np.unique(f // order.CHUNK)) < 120 for f in first)  # 40 would do without windows


def test_streams_of_a_mixture_give_each_rank_chunks_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "LARGE", 1000)
    monkeypatch.setattr(order, "STREAMS", 16)
    monkeypatch.setattr(reading_order, "STREAM_WINDOW", 4)
    made = ReadingOrder([160_000, 80_000], Shares((2.0, 1.0), (2.0, 1.0)), 3)
    positions = np.arange(240_000)
    source, sample = made.locate(positions)
    seen = [
        (rank, chunk)
        for rank in range(4)
        for chunk in np.unique(sample[(source == 0) & (positions % 4 == rank)] // order.CHUNK)
    ]
    assert 1600 <= len(seen) < 1.1 * 1600


def test_streams_keep_every_sample_once_where_they_do_not_divide_the_set() -> None:
    for n in (1000, 1003):
        for epoch in range(2):
            samples = sample_index(np.arange(epoch * n, (epoch + 1) * n), n, 1, window=4, streams=8)
            assert np.array_equal(np.sort(samples), np.arange(n))
    with pytest.raises(ValueError, match="streams"):
        sample_index([0], 5, 0, streams=8)


def test_grids_have_about_the_same_tokens() -> None:
    shapes = list_grids(16)
    assert (16, 16) in shapes and len(set(shapes)) == len(shapes)
    assert all(0.9 * 256 <= h * w <= 256 for h, w in shapes)
    assert max(w / h for h, w in shapes) >= 1.7 and max(h / w for h, w in shapes) >= 1.9


def test_the_nearest_shape_by_proportion() -> None:
    shapes = [(8, 32), (16, 16), (32, 8)]
    sizes = np.array([[100, 390], [512, 500], [4000, 1000], [100, 190], [100, 210]], np.uint16)
    assert assign_buckets(sizes, shapes).tolist() == [0, 1, 2, 1, 0]


@pytest.mark.parametrize("shares", [EVEN, Shares((3.0, 1.0), (0.0, 1.0), 50_000)])
def test_a_unit_has_one_bucket_and_a_bucket_only_its_own(shares: Shares) -> None:
    rng = np.random.default_rng(0)
    buckets = [rng.integers(0, 3, 400), rng.integers(1, 4, 300)]
    made = BucketOrder(buckets, 5, shares, seed=3, unit=16)
    bucket, source, sample = made.locate(np.arange(96_000))
    assert (bucket.reshape(-1, 16) == bucket[::16, None]).all()
    for s, of in enumerate(buckets):
        assert np.array_equal(of[sample[source == s]], bucket[source == s])
    again = made.locate(np.arange(48_000, 48_100))
    assert all(np.array_equal(a, b[48_000:48_100]) for a, b in zip(again, (bucket, source, sample), strict=True))


def test_buckets_keep_the_weights_of_the_sources() -> None:
    rng = np.random.default_rng(0)
    buckets = [rng.integers(0, 3, 400), rng.integers(1, 4, 300)]
    _, source, _ = BucketOrder(buckets, 4, Shares((3.0, 1.0), (3.0, 1.0)), seed=3, unit=4).locate(np.arange(400_000))
    assert source.mean() == pytest.approx(0.25, abs=0.005)


def test_one_odd_picture_is_no_reason_to_refuse_the_others() -> None:
    """Neither where all sources have few pictures of a shape, nor where only one of them has."""
    few, many = np.zeros(30_000, np.int64), np.zeros(30_000, np.int64)
    few[0], many[:15_000] = 1, 1
    for buckets, shares in (([few], Shares((1.0,), (1.0,))), ([many, few], EVEN)):
        bucket, source, sample = BucketOrder(buckets, 2, shares, seed=3, unit=2).locate(np.arange(80_000))
        odd = (source == len(buckets) - 1) & (bucket == 1)
        assert 0 < odd.sum() < 10 and (sample[odd] == 0).all()
