"""Noise that is added between the steps of a solver."""

import pytest
import torch

from majolica.sampling.churn import MOST, make_churn
from majolica.sampling.noise import draw_noise
from majolica.sampling.pipeline import Pipeline
from majolica.sampling.solvers import heun, keep_noise, spread_times

CPU = torch.device("cpu")


@pytest.mark.parametrize("t", [0.05, 0.4, 0.9])
def test_a_noisy_picture_becomes_a_noisier_one_of_an_earlier_time(t: float) -> None:
    """It stays earlier * picture + (1 - earlier) * unit noise, and the ratio of noise to picture grows as asked."""
    picture = torch.tensor([0.5, -1.0])[:, None, None, None].expand(2, 3, 96, 96)
    noise = torch.stack([draw_noise(seed, (96, 96), 1, 1.0) for seed in (1, 2)])
    z, earlier = make_churn(4.0, 20, [1, 2], CPU)(t * picture + (1 - t) * noise, t)
    assert (1 - earlier) / earlier == pytest.approx(1.2 * (1 - t) / t)
    found = (z - earlier * picture) / (1 - earlier)
    assert found.mean((1, 2, 3)).abs().max() < 0.03 and (found.std((1, 2, 3)) - 1).abs().max() < 0.02


def test_noise_grows_by_no_more_than_what_is_there() -> None:
    _, earlier = make_churn(100.0, 2, [1], CPU)(torch.zeros(1, 3, 4, 4), 0.5)
    assert (1 - earlier) / earlier == pytest.approx(1 + MOST)


def test_what_is_added_depends_on_the_seed_of_the_picture_alone() -> None:
    start = torch.zeros(3, 3, 8, 8)
    seeds = [5, 5 + 2**32, 2**63]
    together, alone = make_churn(4.0, 20, seeds, CPU), [make_churn(4.0, 20, [seed], CPU) for seed in seeds]
    first, later = together(start, 0.5)[0], together(start, 0.5)[0]
    assert not torch.equal(first, later), "each step has noise of its own"
    for place, churn in enumerate(alone):
        assert torch.equal(churn(start[:1], 0.5)[0][0], first[place])
        assert torch.equal(churn(start[:1], 0.5)[0][0], later[place])
    drawn = torch.stack([draw_noise(seed, (8, 8), 1, 1.0) for seed in seeds])
    rows = torch.cat((first, drawn)).flatten(1)
    assert torch.corrcoef(rows).fill_diagonal_(0).abs().max() < 0.35, (
        "no two have the same noise, nor that of the start"
    )


def test_without_churn_nothing_is_added() -> None:
    assert make_churn(0.0, 20, [1], CPU) is keep_noise
    z = torch.rand(1, 3, 4, 4)
    at_first, t = make_churn(4.0, 20, [1], CPU)(z, 0.0)
    assert at_first is z and t == 0, "noise alone cannot become noisier"


def test_the_distribution_of_the_data_is_reached_with_churn_too() -> None:
    """Data N(0, s^2), where E[x | z] = t s^2 z / (t^2 s^2 + (1-t)^2)."""
    s, steps = 0.6, 100

    def denoise(z: torch.Tensor, t: float) -> torch.Tensor:
        return t * s**2 * z / (t**2 * s**2 + (1 - t) ** 2)

    start = draw_noise(3, (100, 100), 1, 1.0)[None]
    ends = [
        heun(denoise, start, spread_times(steps), churn=make_churn(amount, steps, [3], CPU)) for amount in (0.0, 20.0)
    ]
    assert ends[0].std().item() == pytest.approx(s, abs=0.015) and ends[1].std().item() == pytest.approx(s, abs=0.015)
    agreement = torch.corrcoef(torch.stack([end.flatten() for end in ends]))[0, 1]
    assert agreement < 0.9, "where it starts decides less"


def test_churn_changes_a_picture_and_one_seed_gives_it_again(pipeline: Pipeline) -> None:
    usual, plain = (pipeline.paint("a fox", steps=4, seed=2, **churn) for churn in ({}, {"churn": 0}))  # type: ignore[arg-type]
    assert not torch.equal(usual, plain)
    assert torch.equal(usual, pipeline.paint("a fox", steps=4, seed=2, churn=4.0))
