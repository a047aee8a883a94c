"""Counter-based numbers: the published generator, and no dependence on neighbours."""

from __future__ import annotations

import numpy as np

from majolica.data.counter import mix, splitmix64, uniform


def test_splitmix64_reference_values() -> None:
    """First outputs for seed 1234567 (java.util.SplittableRandom and Vigna's splitmix64.c agree)."""
    golden = 0x9E3779B97F4A7C15
    states = np.array([(1234567 + i * golden) % 2**64 for i in range(5)], np.uint64)
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert splitmix64(states).tolist() == expected


def test_mix_depends_on_every_key_and_their_order() -> None:
    values = {int(mix(*keys)) for keys in [(1, 2), (2, 1), (1, 3), (1, 2, 0), (-1, 2)]}
    assert len(values) == 5


def test_uniform_rows_are_their_positions_alone() -> None:
    everything = uniform(3, 1, np.arange(1000), 4)
    some = uniform(3, 1, np.array([17, 999, 3]), 4)
    assert (some == everything[[17, 999, 3]]).all()
    assert (uniform(4, 1, np.arange(1000), 4) != everything).all()
    assert (uniform(3, 2, np.arange(1000), 4) != everything).all()


def test_uniform_is_uniform() -> None:
    draws = uniform(0, 0, np.arange(20_000), 3)
    assert draws.min() >= 0 and draws.max() < 1
    assert np.abs(draws.mean(0) - 0.5).max() < 0.01
    assert np.abs(draws.var(0) - 1 / 12).max() < 0.005
    assert np.abs(np.corrcoef(draws.T) - np.eye(3)).max() < 0.03
