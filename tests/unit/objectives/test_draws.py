"""Draws: a row's numbers are its own."""

from __future__ import annotations

import torch
from torch import Tensor

from majolica.objectives import draws
from majolica.objectives.draws import CPU, Draws


def noise(rows: Draws, *shape: int) -> Tensor:
    return rows.noise(torch.empty(len(rows.streams), *shape))


def test_a_row_draws_the_same_in_any_company() -> None:
    together, apart = Draws.seeded([5, 6, 7, 8]), Draws.seeded([8, 6])
    for draw in (lambda d: noise(d, 3, 4), lambda d: d.uniform(2), lambda d: d.below(9), lambda d: d.normal()):
        assert torch.equal(draw(together)[[3, 1]], draw(apart))


def test_rows_differ_and_parts_share_their_streams() -> None:
    first, second = noise(Draws.seeded([1, 2]), 8)
    assert not torch.equal(first, second)
    part = Draws.seeded([1, 2])
    noise(part[:1], 8)
    assert not torch.equal(noise(part, 8)[0], first)  # the first row's numbers were used up
    assert not torch.equal(*noise(part, 8))


def test_moments_are_those_of_the_distributions() -> None:
    one = Draws.seeded([3])
    for normal in (noise(one, 100_000), Draws.seeded(range(100_000)).normal()):
        assert abs(normal.mean()) < 0.01 and abs(normal.std() - 1) < 0.01
    uniform = one.uniform(100_000)
    assert abs(uniform.mean() - 0.5) < 0.005 and uniform.min() >= 0 and uniform.max() < 1
    counts = torch.bincount(Draws.seeded(range(6000)).below(3), minlength=3)
    assert len(counts) == 3 and counts.min() > 1850


def test_noise_comes_from_the_device_that_uses_it_and_moves_nothing_on_the_host(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    asked: list[torch.device] = []

    def generator(device: torch.device) -> torch.Generator:
        asked.append(device)
        return torch.Generator()

    monkeypatch.setattr(draws, "generator", generator)
    elsewhere = torch.device("meta")
    rows = Draws.seeded([1, 2], elsewhere)
    assert asked == [CPU, CPU, elsewhere, elsewhere]
    assert rows.noise(torch.empty(2, 8, device=elsewhere)).device == elsewhere
    assert torch.equal(rows.uniform(3), Draws.seeded([1, 2]).uniform(3))
