"""Merged moments, against numpy's covariance of everything at once."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable

import numpy as np
import pytest
import torch
from torch import Tensor

from majolica.metrics.moments import Moments


def draw(count: int, dimensions: int = 7, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dimensions, generator=generator) @ torch.randn(
        dimensions, dimensions, generator=generator
    )


def merge_all(parts: Iterable[Moments]) -> Moments:
    return functools.reduce(Moments.merge, parts)


def assert_moments_are_of(found: Moments, features_BD: Tensor) -> None:
    whole = features_BD.double().numpy()
    expected = np.cov(whole.T)
    assert found.count == len(whole)
    assert np.abs(found.mean_D.numpy() - whole.mean(0)).max() <= 1e-12 * np.abs(whole).max()
    assert np.abs(found.covariance_DD.numpy() - expected).max() <= 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize("sizes", [[500], [1] * 500, [1, 499], [250, 250], [3, 100, 0, 397]])
def test_chunks_of_any_split_give_the_covariance_of_all(sizes: list[int]) -> None:
    features_BD = draw(500)
    assert_moments_are_of(merge_all([Moments.of(part) for part in torch.split(features_BD, sizes)]), features_BD)


def test_a_small_spread_around_a_large_mean_is_kept() -> None:
    features_BD = 50 + 0.01 * draw(2000)
    assert_moments_are_of(merge_all(map(Moments.of, torch.split(features_BD, 32))), features_BD)
    # The features are such that the usual formula fails in their own precision, E[x x] - E[x] E[x].
    mean_D = features_BD.mean(0)
    one_pass_DD = features_BD.T @ features_BD / len(features_BD) - torch.outer(mean_D, mean_D)
    expected_DD = torch.cov(features_BD.double().T)
    assert float((one_pass_DD - expected_DD).abs().max() / expected_DD.abs().max()) > 0.5


def test_the_order_of_merging_does_not_matter() -> None:
    features_BD = draw(60)
    parts = [Moments.of(part) for part in torch.split(features_BD, [10, 5, 44, 1])]
    for order in itertools.permutations(parts):
        assert_moments_are_of(merge_all(order), features_BD)
    left, right = parts[0].merge(parts[1]), parts[2].merge(parts[3])
    assert_moments_are_of(left.merge(right), features_BD)


def test_ranks_that_take_every_third_picture_in_chunks_agree_with_one_rank() -> None:
    features_BD = draw(100)
    ranks = [merge_all([Moments.of(part) for part in torch.split(features_BD[rank::3], 8)]) for rank in range(3)]
    assert_moments_are_of(merge_all(ranks), features_BD)


def test_a_rank_without_pictures_changes_nothing() -> None:
    none, some = Moments.of(torch.empty(0, 7)), Moments.of(draw(10))
    assert none.merge(some) is some
    assert some.merge(none) is some
    assert none.merge(none).count == 0


def test_what_has_no_moments_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two samples, and there are 1"):
        _ = Moments.of(draw(1)).covariance_DD
    with pytest.raises(ValueError, match="at least two samples, and there are 0"):
        _ = Moments.of(torch.empty(0, 7)).covariance_DD
    with pytest.raises(ValueError, match="7 and 3 dimensions"):
        Moments.of(draw(4)).merge(Moments.of(draw(4, 3)))
    with pytest.raises(ValueError, match="finite"):
        Moments.of(torch.tensor([[1.0, float("nan")]]))
    with pytest.raises(ValueError, match="two axes"):
        Moments.of(torch.zeros(3))
