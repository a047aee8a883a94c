"""Intervals, against theory and published examples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from majolica.metrics.intervals import bootstrap_interval, resample_interval, wilson_interval


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    values_B = 3 + 2 * torch.randn(400, generator=torch.Generator().manual_seed(0))
    low, high = bootstrap_interval(values_B, rounds=2000)
    assert (high - low) / 2 == pytest.approx(1.96 * 2 / 20, rel=0.1)
    assert (low + high) / 2 == pytest.approx(float(values_B.mean()), abs=0.02)


def test_it_holds_the_truth_in_95_of_100_samples() -> None:
    generator = torch.Generator().manual_seed(1)
    hits = 0
    for _ in range(300):
        low, high = bootstrap_interval(torch.rand(80, generator=generator), rounds=200)
        hits += low <= 0.5 <= high
    assert 0.90 < hits / 300 < 0.98


def test_any_statistic_gets_whole_rows() -> None:
    """A correlation of pairs, which would be near 0 if the columns were drawn apart."""
    first_B = torch.randn(200, generator=torch.Generator().manual_seed(2))
    pairs_B2 = torch.stack([first_B, first_B], 1)
    low, high = bootstrap_interval(pairs_B2, lambda x_B2: torch.corrcoef(x_B2.T)[0, 1], rounds=50)
    assert low == pytest.approx(1) and high == pytest.approx(1)
    assert bootstrap_interval(torch.full((5,), 7.0), torch.median, rounds=3) == (7, 7)


def test_the_draws_follow_from_the_seed() -> None:
    values_B = torch.randn(30, generator=torch.Generator().manual_seed(3))
    found = bootstrap_interval(values_B, rounds=20)
    assert bootstrap_interval(values_B, rounds=20) == found
    assert bootstrap_interval(values_B, rounds=20, seed=1) != found
    numbers = values_B.double().numpy()
    assert resample_interval(lambda chosen: float(numbers[chosen].mean()), 30, 20) == pytest.approx(found)


def test_the_interval_is_from_the_low_to_the_high_percentile_of_what_was_found() -> None:
    drawn = iter(range(101))
    assert resample_interval(lambda chosen: float(next(drawn)), 5, 101) == pytest.approx((2.5, 97.5))


@pytest.mark.parametrize(
    ("share", "count", "expected"),
    [
        # Newcombe, "Two-sided confidence intervals for the single proportion" (1998), Table I, method 3.
        (81 / 263, 263, (0.2553, 0.3662)),
        (15 / 148, 148, (0.0624, 0.1605)),
        (0.0, 20, (0.0, 0.1611)),
        (1 / 29, 29, (0.0061, 0.1718)),
    ],
)
def test_wilson_intervals_are_the_published_ones(share: float, count: int, expected: tuple[float, float]) -> None:
    assert wilson_interval(share, count) == pytest.approx(expected, abs=6e-5)


def test_wilson_intervals_stay_within_0_and_1() -> None:
    for count in (1, 7, 1000):
        low, high = wilson_interval(0.0, count)
        assert low == 0 and 0 < high < 1
        assert wilson_interval(1.0, count) == pytest.approx((1 - high, 1))
        assert wilson_interval(1.0, count)[1] <= 1


def test_nothing_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least one unit"):
        bootstrap_interval(torch.empty(0))
    with pytest.raises(ValueError, match="one round"):
        bootstrap_interval(torch.ones(3), rounds=0)
    with pytest.raises(ValueError, match="at least one trial"):
        wilson_interval(0.5, 0)
    with pytest.raises(ValueError, match="from 0 to 1"):
        wilson_interval(float(np.nan), 10)
