"""The Frechet distance, against what is known of Gaussians and against scipy's matrix root."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor

from majolica.metrics.frechet import expected_bias, frechet_between, frechet_distance, frechet_to
from majolica.metrics.moments import Moments


def draw(count: int, dimensions: int, generator: torch.Generator) -> Tensor:
    """Correlated features."""
    mixing_DD = torch.randn(dimensions, dimensions, generator=generator) / dimensions**0.5
    features_BD: Tensor = torch.randn(count, dimensions, generator=generator) @ mixing_DD
    return features_BD


def gaussian(mean_D: Tensor, covariance_DD: Tensor) -> Moments:
    return Moments(1001, mean_D.double(), covariance_DD.double() * 1000)


def by_matrix_root(first_BD: Tensor, second_BD: Tensor) -> float:
    """The formula as pytorch-fid computes it."""
    first, second = first_BD.double().numpy(), second_BD.double().numpy()
    one, two = np.cov(first.T), np.cov(second.T)
    shift = first.mean(0) - second.mean(0)
    return float(shift @ shift + np.trace(one) + np.trace(two) - 2 * np.trace(sqrtm(one @ two).real))


def test_equal_sets_are_at_distance_0_and_a_shift_counts_by_its_square() -> None:
    features_BD = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    assert frechet_distance(features_BD, features_BD) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(features_BD, features_BD + 2) == pytest.approx(5 * 4)


def test_along_one_axis_it_is_the_difference_of_standard_deviations() -> None:
    first_B1 = torch.tensor([[-1.0], [1.0]])
    assert frechet_distance(first_B1, 3 * first_B1) == pytest.approx((2**0.5 * (3 - 1)) ** 2)


@pytest.mark.parametrize(
    ("first", "second", "dimensions"), [(50, 40, 6), (300, 200, 96), (60, 40, 128), (65, 500, 128)]
)
def test_it_agrees_with_the_matrix_root_of_the_product_at_full_and_lower_rank(
    first: int, second: int, dimensions: int
) -> None:
    generator = torch.Generator().manual_seed(1)
    first_BD, second_BD = draw(first, dimensions, generator), draw(second, dimensions, generator) + 0.1
    expected = by_matrix_root(first_BD, second_BD)
    # At a lower rank, the root itself has errors of 1e-7.
    rel = 1e-11 if min(first, second) > dimensions else 1e-6
    assert frechet_distance(first_BD, second_BD) == pytest.approx(expected, rel=rel)
    assert frechet_distance(second_BD, first_BD) == pytest.approx(expected, rel=rel)


def test_at_lower_rank_it_is_exact() -> None:
    """The trace of the root is the sum of the singular values of the product of the deviations."""
    generator = torch.Generator().manual_seed(2)
    first_BD, second_BD = draw(30, 256, generator).double(), draw(20, 256, generator).double()
    first_BD, second_BD = first_BD - first_BD.mean(0), second_BD - second_BD.mean(0)
    shared = torch.linalg.svdvals(first_BD @ second_BD.T).sum() / (29 * 19) ** 0.5
    expected = first_BD.square().sum() / 29 + second_BD.square().sum() / 19 - 2 * shared
    assert frechet_distance(first_BD, second_BD) == pytest.approx(float(expected), rel=1e-12)


def test_of_commuting_covariances_it_is_the_distance_of_their_roots() -> None:
    generator = torch.Generator().manual_seed(3)
    basis_DD = torch.linalg.qr(torch.randn(40, 40, generator=generator, dtype=torch.float64)).Q
    first_D, second_D = torch.rand(2, 40, generator=generator, dtype=torch.float64)
    mean_D = torch.linspace(0, 1, 40, dtype=torch.float64)
    first = gaussian(mean_D, basis_DD * first_D @ basis_DD.T)
    second = gaussian(2 * mean_D, basis_DD * second_D @ basis_DD.T)
    expected = mean_D.square().sum() + (first_D.sqrt() - second_D.sqrt()).square().sum()
    assert frechet_between(first, second) == pytest.approx(float(expected), rel=1e-12)


def test_of_a_linear_map_it_is_how_far_the_map_moves_the_points() -> None:
    """x -> A x with A symmetric positive is the optimal transport from S to A S A: tr((I - A) S (I - A))."""
    generator = torch.Generator().manual_seed(4)
    roots = torch.randn(2, 30, 30, generator=generator, dtype=torch.float64)
    map_DD, covariance_DD = roots @ roots.mT / 30 + 0.1 * torch.eye(30)
    away_DD = torch.eye(30) - map_DD
    second = gaussian(torch.zeros(30), map_DD @ covariance_DD @ map_DD)
    found = frechet_between(gaussian(torch.zeros(30), covariance_DD), second)
    assert found == pytest.approx(float((away_DD @ covariance_DD @ away_DD).trace()), rel=1e-11)


@pytest.mark.parametrize("count", [300, 3000])
def test_two_samples_of_one_gaussian_are_as_far_apart_as_their_size_tells(count: int) -> None:
    """Here 0.51 d^2 / n, so the distance falls in proportion to 1 / n."""
    generator = torch.Generator().manual_seed(5)
    first_BD, second_BD = torch.randn(2, count, 256, generator=generator)
    found = frechet_distance(first_BD, second_BD)
    assert found * count == pytest.approx(0.51 * 256**2, rel=0.02)
    assert found == pytest.approx(expected_bias(256, count), rel=0.02)


def test_against_the_true_gaussian_half_of_the_bias_is_left() -> None:
    truth = gaussian(torch.zeros(64), torch.eye(64))
    sample = Moments.of(torch.randn(2000, 64, generator=torch.Generator().manual_seed(6)))
    found = frechet_between(truth, sample)
    assert found == pytest.approx(expected_bias(64, 2000, reference_count=10**15), rel=0.05)
    assert expected_bias(64, 2000, reference_count=10**15) == pytest.approx(expected_bias(64, 2000) / 2)


def test_other_covariances_have_a_lower_floor_than_the_identity_of_the_same_trace() -> None:
    generator = torch.Generator().manual_seed(7)
    scale_D = torch.logspace(0, -2, 64)
    first_BD, second_BD = torch.randn(2, 2000, 64, generator=generator) * scale_D
    share = float(scale_D.square().sum()) / 64
    assert frechet_distance(first_BD, second_BD) < 0.8 * share * expected_bias(64, 2000)


def test_a_reference_is_measured_from_again_and_again() -> None:
    generator = torch.Generator().manual_seed(8)
    reference, one, two = (Moments.of(draw(50, 10, generator)) for _ in range(3))
    distance = frechet_to(reference)
    assert distance(one) == frechet_between(reference, one)
    assert distance(two) == frechet_between(reference, two)
    assert distance(one) == frechet_between(reference, one)


def test_fewer_pictures_than_features_are_measured_and_a_single_one_is_not() -> None:
    few_BD = torch.randn(3, 20, generator=torch.Generator().manual_seed(9))
    assert frechet_distance(few_BD, few_BD) == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="two pictures on each side"):
        frechet_distance(few_BD[:1], few_BD)


def test_what_has_no_distance_is_refused() -> None:
    features_BD = torch.ones(4, 3)
    with pytest.raises(ValueError, match="finite"):
        frechet_distance(features_BD, features_BD / 0)
    with pytest.raises(ValueError, match="equally many dimensions"):
        frechet_distance(features_BD, features_BD[:, :2])
    with pytest.raises(ValueError, match="3 and 2 dimensions"):
        frechet_between(Moments.of(features_BD), Moments.of(features_BD[:, :2]))
    with pytest.raises(ValueError, match="at least 1"):
        expected_bias(3, 0)
