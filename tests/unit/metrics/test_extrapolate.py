"""The extrapolated Frechet distance, on Gaussians whose distance is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from majolica.metrics.extrapolate import choose_sizes, fit_line, frechet_at_infinity
from majolica.metrics.frechet import expected_bias, frechet_distance
from majolica.metrics.moments import Moments

TRUTH = Moments(10**9 + 1, torch.zeros(48).double(), torch.eye(48).double() * 10**9)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_it_is_nearer_to_the_truth_than_the_plain_distance(shift: float) -> None:
    painted_BD = torch.randn(1500, 48, generator=torch.Generator().manual_seed(0)) + shift
    expected = 48 * shift**2
    found = frechet_at_infinity(TRUTH, painted_BD)
    plain = found.distances[-1]
    assert abs(found.value - expected) < abs(plain - expected) / 2
    # The slope is the bias times n, and for the identity this is known.
    assert found.slope == pytest.approx(expected_bias(48, 1, 10**9), rel=0.2)
    assert 0 < found.deviation < 0.2 * (plain - expected)


def test_the_last_distance_is_that_of_all_paintings() -> None:
    real_BD, painted_BD = torch.randn(2, 100, 8, generator=torch.Generator().manual_seed(1))
    found = frechet_at_infinity(Moments.of(real_BD), painted_BD, points=5)
    assert found.sizes == (10, 32, 55, 77, 100)
    assert found.distances[-1] == pytest.approx(frechet_distance(real_BD, painted_BD), rel=1e-10)


def test_equal_calls_give_equal_values_and_another_seed_another() -> None:
    painted_BD = torch.randn(200, 48, generator=torch.Generator().manual_seed(2))
    torch.manual_seed(5)
    found = frechet_at_infinity(TRUTH, painted_BD)
    torch.manual_seed(6)
    assert frechet_at_infinity(TRUTH, painted_BD) == found
    assert frechet_at_infinity(TRUTH, painted_BD, seed=1).value != found.value


def test_the_sizes_are_the_usual_ones_but_not_below_the_dimensions() -> None:
    assert choose_sizes(50_000, 2048, 15) == tuple(np.linspace(5000, 50_000, 15).astype(int))
    assert choose_sizes(10_000, 2048, 3) == (2049, 6024, 10_000)
    assert choose_sizes(1000, 2048, 3) == (500, 750, 1000)
    assert choose_sizes(4, 2, 3) == (2, 3, 4)


def test_the_line_is_that_of_least_squares() -> None:
    x = [0.1, 0.4, 0.5, 1.0]
    y = [1.2, 0.9, 1.7, 2.1]
    value, slope, deviation = fit_line(x, y)
    design = np.stack([np.ones(4), x], 1)
    coefficients, residual, *_ = np.linalg.lstsq(design, np.array(y), rcond=None)
    covariance = np.linalg.inv(design.T @ design) * residual / 2
    assert (value, slope) == pytest.approx(tuple(coefficients))
    assert deviation == pytest.approx(float(covariance[0, 0]) ** 0.5)
    assert fit_line([0.0, 1.0, 2.0], [5.0, 7.0, 9.0]) == pytest.approx((5, 2, 0))


def test_too_few_paintings_or_points_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 4 samples"):
        frechet_at_infinity(TRUTH, torch.zeros(3, 48))
    with pytest.raises(ValueError, match="at least 3 points"):
        frechet_at_infinity(TRUTH, torch.zeros(30, 48), points=2)
    with pytest.raises(ValueError, match="48 and 7 dimensions"):
        frechet_at_infinity(TRUTH, torch.zeros(30, 7))
