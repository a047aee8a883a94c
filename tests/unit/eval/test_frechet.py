"""The Frechet distance, against what is known of Gaussians and against scipy's matrix root."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from majolica.eval.frechet import frechet_distance


def test_equal_sets_are_at_distance_0_and_a_shift_counts_by_its_square() -> None:
    features_BD = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    assert frechet_distance(features_BD, features_BD) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(features_BD, features_BD + 2) == pytest.approx(5 * 4)


def test_along_one_axis_it_is_the_difference_of_standard_deviations() -> None:
    first_B1 = torch.tensor([[-1.0], [1.0]])
    assert frechet_distance(first_B1, 3 * first_B1) == pytest.approx((2**0.5 * (3 - 1)) ** 2)


def test_it_agrees_with_the_matrix_root_of_the_product() -> None:
    generator = torch.Generator().manual_seed(1)
    first_BD = torch.randn(50, 6, generator=generator) @ torch.randn(6, 6, generator=generator)
    second_BD = torch.randn(40, 6, generator=generator) @ torch.randn(6, 6, generator=generator) + 1
    one, two = np.cov(first_BD.double().numpy().T), np.cov(second_BD.double().numpy().T)
    shift = (first_BD.double().mean(0) - second_BD.double().mean(0)).square().sum()
    expected = float(shift) + np.trace(one + two - 2 * sqrtm(one @ two).real)
    assert frechet_distance(first_BD, second_BD) == pytest.approx(expected, rel=1e-9)


def test_fewer_pictures_than_features_are_measured_and_a_single_one_is_not() -> None:
    few_BD = torch.randn(3, 20)
    assert frechet_distance(few_BD, few_BD) == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="two pictures on each side"):
        frechet_distance(few_BD[:1], few_BD)
