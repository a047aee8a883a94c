"""Draws: a row's numbers are its own."""

from __future__ import annotations

import torch

from majolica.objectives.draws import Draws


def test_a_row_draws_the_same_in_any_company() -> None:
    together, apart = Draws.seeded([5, 6, 7, 8]), Draws.seeded([8, 6])
    for draw in (lambda d: d.normal(3, 4), lambda d: d.uniform(2), lambda d: d.below(9), lambda d: d.normal()):
        assert torch.equal(draw(together)[[3, 1]], draw(apart))


def test_rows_differ_and_parts_share_their_streams() -> None:
    draws = Draws.seeded([1, 2])
    first, second = draws.normal(8)
    assert not torch.equal(first, second)
    part = Draws.seeded([1, 2])
    part[:1].normal(8)
    assert not torch.equal(part.normal(8)[0], first)  # the first row's numbers were used up
    assert not torch.equal(part.normal(8)[0], part.normal(8)[1])


def test_moments_are_those_of_the_distributions() -> None:
    draws = Draws.seeded([3])
    normal, uniform = draws.normal(100_000), draws.uniform(100_000)
    assert abs(normal.mean()) < 0.01 and abs(normal.std() - 1) < 0.01
    assert abs(uniform.mean() - 0.5) < 0.005 and uniform.min() >= 0 and uniform.max() < 1
    counts = torch.bincount(Draws.seeded(range(6000)).below(3), minlength=3)
    assert len(counts) == 3 and counts.min() > 1850
