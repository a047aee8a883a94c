"""Precision, recall, density and coverage, against their definitions and their known expectations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from majolica.metrics import features, manifold
from majolica.metrics.manifold import ManifoldScores, manifold_scores


def draw(count: int, dimensions: int, seed: int) -> Tensor:
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed))


def naive_scores(real_BD: Tensor, painted_BD: Tensor, k: int) -> ManifoldScores:
    real, painted = real_BD.double().numpy(), painted_BD.double().numpy()

    def radius(points: np.ndarray, i: int) -> float:
        others = np.delete(points, i, axis=0)
        return float(np.sort(np.linalg.norm(others - points[i], axis=1))[k - 1])

    real_radii = [radius(real, i) for i in range(len(real))]
    painted_radii = [radius(painted, j) for j in range(len(painted))]
    away = [[float(np.linalg.norm(x - y)) for y in painted] for x in real]
    balls = [[away[i][j] < real_radii[i] for j in range(len(painted))] for i in range(len(real))]
    return ManifoldScores(
        precision=float(np.mean([any(row[j] for row in balls) for j in range(len(painted))])),
        recall=float(np.mean([any(d < r for d, r in zip(row, painted_radii, strict=True)) for row in away])),
        density=float(np.sum(balls)) / (k * len(painted)),
        coverage=float(np.mean([any(row) for row in balls])),
    )


@pytest.mark.parametrize(("painted", "neighbours"), [(60, 5), (35, 3), (90, 1)])
def test_they_are_those_of_the_definition_whatever_the_chunks(
    painted: int, neighbours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_BD, painted_BD = draw(60, 4, seed=0), 0.8 * draw(painted, 4, seed=1) + 0.7
    expected = naive_scores(real_BD, painted_BD, neighbours)
    assert len({expected.precision, expected.recall, expected.density, expected.coverage}) == 4
    for elements in (1 << 23, 200):
        monkeypatch.setattr(manifold, "chunk_rows", lambda columns, some=elements: features.chunk_rows(columns, some))
        found = manifold_scores(real_BD, painted_BD, neighbours)
        assert vars(found) == pytest.approx(vars(expected), rel=1e-12)


def test_of_one_distribution_density_is_1_and_coverage_as_counted() -> None:
    """A real sample is not covered if its 5 nearest among all others are real (Naeem et al., Lemma 2)."""
    covered = 1 - math.prod((400 - i) / (400 + 300 - i) for i in range(1, 6))
    found = [manifold_scores(draw(400, 8, 2 * i), draw(300, 8, 2 * i + 1), 5) for i in range(12)]
    assert np.mean([s.density for s in found]) == pytest.approx(1, abs=0.05)
    assert np.mean([s.coverage for s in found]) == pytest.approx(covered, abs=0.02)


def test_a_far_away_mean_costs_no_exactness() -> None:
    real_BD, painted_BD = draw(60, 4, seed=0).double(), 0.8 * draw(60, 4, seed=1).double()
    assert manifold_scores(real_BD + 3e7, painted_BD + 3e7) == manifold_scores(real_BD, painted_BD)


def test_copies_of_all_pictures_score_1() -> None:
    """The ball of each holds itself and its neighbours but the fifth, which is on the surface: five."""
    features_BD = draw(100, 6, seed=0)
    assert manifold_scores(features_BD, features_BD.clone(), 5) == ManifoldScores(1, 1, 1, 1)


def test_disjoint_sets_score_0_and_a_painter_of_one_thing_lacks_variety() -> None:
    real_BD = draw(100, 6, seed=0)
    assert manifold_scores(real_BD, draw(100, 6, seed=1) + 100) == ManifoldScores(0, 0, 0, 0)
    same = manifold_scores(real_BD, real_BD[:1] + 0.01 * draw(100, 6, seed=1))
    assert same.precision == 1
    assert same.recall < 0.05 and same.coverage < 0.3


def test_no_more_samples_than_neighbours_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 6 samples are needed, and there are 5"):
        manifold_scores(draw(20, 2, 0), draw(5, 2, 1), 5)
    with pytest.raises(ValueError, match="at least one neighbour"):
        manifold_scores(draw(20, 2, 0), draw(5, 2, 1), 0)
