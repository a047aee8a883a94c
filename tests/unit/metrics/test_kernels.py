"""KID and CMMD, against their definitions written as loops."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.metrics import features, kernels
from majolica.metrics.kernels import kernel_distance, mmd


def draw(count: int, dimensions: int = 5, seed: int = 0) -> Tensor:
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed))


def naive_kid(first: list[list[float]], second: list[list[float]]) -> float:
    def kernel(x: list[float], y: list[float]) -> float:
        return (sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3

    def within(rows: list[list[float]]) -> float:
        pairs = [kernel(x, y) for (i, x), (j, y) in itertools.product(enumerate(rows), repeat=2) if i != j]
        return math.fsum(pairs) / len(pairs)

    across = [kernel(x, y) for x in first for y in second]
    return within(first) + within(second) - 2 * math.fsum(across) / len(across)


def test_kid_of_whole_sets_is_that_of_the_double_loop() -> None:
    first_BD, second_BD = draw(20), draw(20, seed=1) + 0.3
    found = kernel_distance(first_BD, second_BD, subsets=3, size=20)
    assert found.mean == pytest.approx(naive_kid(first_BD.tolist(), second_BD.tolist()), rel=1e-11)
    assert found.deviation == pytest.approx(0, abs=1e-12)


def test_kid_is_the_mean_and_deviation_over_the_documented_subsets() -> None:
    """The draws are those of torch-fidelity: from the first set, then from the second, for each subset."""
    first_BD, second_BD = draw(30), draw(25, seed=1) + 0.3
    rng = np.random.RandomState(2020)
    expected = []
    for _ in range(4):
        one, two = (rng.choice(count, 12, replace=False) for count in (30, 25))
        expected.append(naive_kid(first_BD[one].tolist(), second_BD[two].tolist()))
    found = kernel_distance(first_BD, second_BD, subsets=4, size=12, seed=2020)
    assert found.mean == pytest.approx(np.mean(expected), rel=1e-11)
    assert found.deviation == pytest.approx(np.std(expected), rel=1e-10)


def test_kid_has_no_bias_by_the_number_of_samples() -> None:
    """Over many small subsets of one distribution it is 0 within its error.

    The biased estimate is larger by the mean of k(x, x) - k(x, y) over half the size of a subset.
    """
    first_BD = draw(4000)
    found = kernel_distance(first_BD, draw(4000, seed=1), subsets=400, size=20)
    assert abs(found.mean) < 4 * found.deviation / 400**0.5
    bias = 2 / 20 * float(((first_BD.square().sum(1) / 5 + 1) ** 3).mean() - 1.6)
    assert bias > 10 * abs(found.mean)


def test_a_size_beyond_the_samples_is_reduced_and_recorded() -> None:
    found = kernel_distance(draw(50), draw(30, seed=1), subsets=2, size=1000)
    assert (found.size, found.subsets) == (30, 2)


def test_kid_is_the_same_for_one_seed_and_another_for_another() -> None:
    first_BD, second_BD = draw(40), draw(40, seed=1)
    found = kernel_distance(first_BD, second_BD, subsets=3, size=10)
    assert kernel_distance(first_BD, second_BD, subsets=3, size=10) == found
    assert kernel_distance(first_BD, second_BD, subsets=3, size=10, seed=1) != found


def naive_cmmd(first_BD: Tensor, second_BD: Tensor) -> float:
    first_BD, second_BD = (F.normalize(x_BD.double(), dim=1) for x_BD in (first_BD, second_BD))

    def mean_kernel(x_BD: Tensor, y_BD: Tensor) -> float:
        away_BBD = x_BD[:, None] - y_BD[None]
        return float((-away_BBD.square().sum(2) / (2 * 10**2)).exp().mean())

    own = mean_kernel(first_BD, first_BD) + mean_kernel(second_BD, second_BD)
    return 1000 * (own - 2 * mean_kernel(first_BD, second_BD))


def test_cmmd_is_that_of_the_definition_and_ignores_lengths() -> None:
    first_BD, second_BD = draw(50), draw(35, seed=1) + 0.5
    expected = naive_cmmd(first_BD, second_BD)
    assert expected > 1
    assert mmd(first_BD, second_BD) == pytest.approx(expected, rel=1e-10)
    assert mmd(first_BD * torch.linspace(1, 9, 50)[:, None], 7 * second_BD) == pytest.approx(expected, rel=1e-6)


def test_cmmd_in_chunks_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    first_BD, second_BD = draw(50), draw(35, seed=1) + 0.5
    whole = mmd(first_BD, second_BD)
    monkeypatch.setattr(kernels, "chunk_rows", lambda columns: features.chunk_rows(columns, elements=250))
    assert mmd(first_BD, second_BD) == pytest.approx(whole, rel=1e-12)


def test_cmmd_of_equal_sets_is_0_and_of_opposite_points_as_computed_by_hand() -> None:
    first_BD = draw(30)
    assert mmd(first_BD, first_BD.flip(0)) == pytest.approx(0, abs=1e-10)
    point_BD = torch.tensor([[1.0, 0.0]])
    assert mmd(point_BD, -point_BD) == pytest.approx(1000 * 2 * (1 - math.exp(-4 / 200)), rel=1e-12)
    assert mmd(point_BD, -point_BD, bandwidth=1, scale=1) == pytest.approx(2 * (1 - math.exp(-2)), rel=1e-12)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 samples"):
        kernel_distance(draw(1), draw(5))
    with pytest.raises(ValueError, match="at least one subset"):
        kernel_distance(draw(5), draw(5), size=1)
    with pytest.raises(ValueError, match="at least 1 sample "):
        mmd(draw(0), draw(5))
