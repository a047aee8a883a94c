"""The order is a permutation of every epoch, well mixed, fairly local, and never changes by accident."""

from __future__ import annotations

import numpy as np
import pytest

from majolica.data.order.permutation import permute, sample_index


@pytest.mark.parametrize("n", [1, 2, 3, 7, 99, 100, 101, 250, 1024, 4321])
@pytest.mark.parametrize("chunk,window", [(1, 1), (3, 4), (100, 1000)])
def test_each_epoch_visits_each_sample_once(n: int, chunk: int, window: int) -> None:
    epochs = sample_index(np.arange(3 * n).reshape(3, n), n, 5, chunk, window)
    assert (np.sort(epochs, axis=1) == np.arange(n)).all()


def test_epochs_and_seeds_have_their_own_order() -> None:
    epochs = sample_index(np.arange(2000).reshape(2, 1000), 1000, 0)
    other = sample_index(np.arange(1000), 1000, 1)
    assert (epochs[0] == epochs[1]).mean() < 0.02
    assert (epochs[0] == other).mean() < 0.02


def test_a_position_does_not_depend_on_what_is_asked_with_it() -> None:
    positions = np.array([5, 90_001, 12, 777_777])
    together = sample_index(positions, 33_333, 9)
    alone = [int(sample_index(p, 33_333, 9)) for p in positions]
    assert together.tolist() == alone


def test_batches_are_mixed_and_reads_stay_in_their_window() -> None:
    n, span = 1_000_000, 100 * 1000
    batch = sample_index(np.arange(1024), n, 0)
    assert len(np.unique(batch // 10_000)) > 90  # distinct shards of 10,000 out of 100
    window = sample_index(np.arange(span), n, 0)
    assert len(np.unique(window // 100)) == 1000  # and yet only 1,000 runs of 100 neighbours


def test_order_is_uniform() -> None:
    first = [int(sample_index(0, 10, seed)) for seed in range(1000)]
    counts = np.bincount(first, minlength=10)
    assert ((counts - 100) ** 2 / 100).sum() < 27.9  # chi-square, 9 degrees of freedom, p = 0.001


def test_order_is_pinned() -> None:
    """Saved positions of old runs mean what they meant: a change here breaks every resume."""
    assert sample_index(np.arange(8), 1000, 0).tolist() == [423, 921, 287, 908, 88, 483, 993, 829]
    far = sample_index(np.arange(4) + 10**10, 1_500_000_000, 3)
    assert far.tolist() == [866708700, 1116974383, 308111815, 1353872255]


def test_permute_of_tiny_ranges() -> None:
    for size in range(1, 20):
        assert sorted(permute(np.arange(size), size, np.uint64(7)).tolist()) == list(range(size))


def test_no_samples() -> None:
    with pytest.raises(ValueError, match="positive"):
        sample_index(0, 0, 0)
