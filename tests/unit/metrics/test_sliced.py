"""The sliced Wasserstein distance, against closed forms and plain code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance
from torch import Tensor

from majolica.metrics.sliced import sliced_distance


def draw(count: int, dimensions: int = 6, seed: int = 0) -> Tensor:
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed))


def test_equal_sets_are_at_distance_0_in_any_order() -> None:
    features_BD = draw(50)
    assert sliced_distance(features_BD, features_BD.clone()) == 0
    assert sliced_distance(features_BD, features_BD.flip(0)) == pytest.approx(0, abs=1e-25)


def test_a_shift_counts_by_its_square_times_3_on_average() -> None:
    features_BD, shift_D = draw(40), torch.linspace(-1, 2, 6)
    expected = 3 * float(shift_D.square().sum())
    assert sliced_distance(features_BD, features_BD + shift_D, directions=40_000) == pytest.approx(expected, rel=0.02)
    # In one dimension there is only one direction, so nothing is left to chance.
    assert sliced_distance(features_BD[:, :1], features_BD[:, :1] + 2, directions=3) == pytest.approx(3 * 4)


def test_of_isotropic_gaussians_it_is_the_squared_difference_of_deviations() -> None:
    first_BD, second_BD = draw(20_000), 1.5 * draw(20_000, seed=1)
    assert sliced_distance(first_BD, second_BD, directions=64) == pytest.approx(3 * 6 * 0.5**2, rel=0.05)


def test_a_permutation_of_either_set_changes_nothing() -> None:
    first_BD, second_BD = draw(50), draw(30, seed=1) + 0.2
    found = sliced_distance(first_BD, second_BD)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(2))
    assert sliced_distance(first_BD[order], second_BD.flip(0)) == pytest.approx(found, rel=1e-12)
    assert sliced_distance(second_BD, first_BD) == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize(("first", "second"), [(6, 4), (5, 7), (1, 3), (8, 8)])
def test_unequal_sizes_are_as_if_each_sample_were_repeated_to_a_common_number(first: int, second: int) -> None:
    first_BD, second_BD = draw(first), draw(second, seed=1)
    repeated = sliced_distance(first_BD.repeat_interleave(second, 0), second_BD.repeat_interleave(first, 0))
    assert sliced_distance(first_BD, second_BD) == pytest.approx(repeated, rel=1e-12)


def test_in_one_dimension_it_agrees_with_a_sum_over_quantiles() -> None:
    first, second = draw(30, 1), draw(17, 1, seed=1) * 2
    levels = (np.arange(30 * 17) + 0.5) / (30 * 17)
    one, two = (np.quantile(x.double().numpy(), levels, method="inverted_cdf") for x in (first, second))
    assert sliced_distance(first, second, directions=2) == pytest.approx(3 * ((one - two) ** 2).mean(), rel=1e-12)
    # The quantile functions are those of scipy's distance, which is of order 1.
    assert np.abs(one - two).mean() == pytest.approx(wasserstein_distance(first[:, 0], second[:, 0]))


def test_the_directions_follow_from_the_seed() -> None:
    first_BD, second_BD = draw(20), draw(20, seed=1)
    found = sliced_distance(first_BD, second_BD, directions=5)
    assert sliced_distance(first_BD, second_BD, directions=5) == found
    assert sliced_distance(first_BD, second_BD, directions=5, seed=1) != found


def test_what_has_no_distance_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 sample "):
        sliced_distance(draw(0), draw(3))
    with pytest.raises(ValueError, match="at least one direction"):
        sliced_distance(draw(3), draw(3), directions=0)
