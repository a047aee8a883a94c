"""Noise on the values that a model is told: what it moves, how far, and that nothing else is drawn differently."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from majolica.config.loss import LossConfig
from majolica.models.conditions import ConditionEncoder
from majolica.objectives.draws import Draws
from majolica.objectives.joint import draw_condition, make_rows
from majolica.properties.quantiles import fit_quantiles, spread_evenly
from majolica.properties.registry import find_property
from tiny import TINY

ROWS = 4000
NAMES = ("brightness", "hue", "source", "contrast")
NEVER = LossConfig(drop_text=0.0, drop_property=0.0, drop_properties=0.0, drop_all=0.0)
SOME = dataclasses.replace(NEVER, drop_text=0.1, drop_property=0.3, drop_properties=0.2, drop_all=0.1)
RED = torch.tensor([0.8, 0.4, 0.404]).view(1, 3, 1, 1)
"""A picture with a hue of about 359 degrees."""
SKEWED = torch.rand(4000, generator=torch.Generator().manual_seed(0)) ** 3 * 0.8 + 0.1


def encoder() -> ConditionEncoder:
    found = ConditionEncoder(dataclasses.replace(TINY, properties=NAMES))
    found.quantiles = torch.stack([spread_evenly(find_property(name)) for name in NAMES])
    found.quantiles[0] = fit_quantiles(find_property("brightness"), SKEWED)
    return found


def draw(noise: float, config: LossConfig = NEVER, seeds: range = range(ROWS)) -> tuple[Tensor, Tensor]:
    """The places that the model is told, and the noise, `(B, P)` each."""
    rows, tokens = len(seeds), torch.ones(len(seeds), 1, dtype=torch.int64)
    config = dataclasses.replace(config, property_noise=noise)
    known = {"source": torch.full((rows,), 0.25)}
    asked = draw_condition(tokens, RED.expand(rows, 3, 2, 2), config, NAMES, Draws.seeded(seeds), known)
    noise_BP = torch.zeros(rows, len(NAMES)) if asked.noise_BP is None else asked.noise_BP
    return encoder().compute_places(asked), noise_BP


def test_the_places_have_the_deviation_that_was_asked_for() -> None:
    exact, (told, noise) = draw(0.0)[0], draw(0.05)
    for place in (0, 3):
        away = told[:, place] - exact[:, place]
        assert exact[:, place].unique().numel() == 1
        assert away.mean().item() == pytest.approx(0, abs=0.003)
        assert away.std().item() == pytest.approx(0.05, rel=0.04)
        assert (away.abs() < 0.05).float().mean().item() == pytest.approx(0.683, abs=0.025)  # as a Gaussian has it
    assert torch.corrcoef(noise[:, [0, 1, 3]].T).triu(1).abs().max() < 0.06


def test_an_angle_goes_around_the_circle() -> None:
    exact, (told, _) = draw(0.0)[0][:, 1], draw(0.2)
    assert exact[0] == pytest.approx(0.998, abs=0.002)
    hue = told[:, 1]
    assert (hue >= 0).all() and (hue < 1).all() and 0.4 < (hue < 0.5).float().mean() < 0.6
    away = (hue - exact + 0.5) % 1 - 0.5
    assert away.std().item() == pytest.approx(0.2, rel=0.06)


def test_a_name_is_exact_and_what_is_hidden_stays_hidden() -> None:
    told, noise = draw(0.3)
    assert told[:, 2].unique().tolist() == [0.25] and not noise[:, 2].any()
    hidden, _ = draw(0.3, dataclasses.replace(NEVER, drop_all=1.0))
    assert not hidden.any()


def test_it_depends_on_the_seed_of_the_row_alone() -> None:
    assert torch.equal(draw(0.1)[1][10:20], draw(0.1, seeds=range(10, 20))[1])
    assert torch.equal(draw(0.1)[1] * 2, draw(0.2)[1])


def test_without_noise_nothing_is_drawn_for_it() -> None:
    """The streams of the rows stand where they stood before there was noise: after the chances of being dropped."""
    draws, before = Draws.seeded(range(9)), Draws.seeded(range(9))
    images, tokens = RED.expand(9, 3, 2, 2), torch.ones(9, 1, dtype=torch.int64)
    known = {"source": torch.full((9,), 0.25)}
    asked = draw_condition(tokens, images, SOME, NAMES, draws, known)
    assert LossConfig().property_noise == 0 and asked.noise_BP is None
    keep, text, each, together = before.uniform(), before.uniform(), before.uniform(len(NAMES)), before.uniform()
    kept = keep >= 0.1
    assert torch.equal(asked.has_text_B, kept & (text >= 0.1))
    assert torch.equal(asked.has_value_BP, kept[:, None] & (each >= 0.3) & (together >= 0.2)[:, None])
    assert torch.equal(draws.normal(), before.normal())


def test_with_noise_all_other_numbers_are_the_same() -> None:
    images = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    tokens = torch.ones(6, 4, dtype=torch.int64)
    rows = []
    for noise in (0.0, 0.1):
        config = dataclasses.replace(SOME, property_noise=noise)
        rows.append(make_rows(images, {}, tokens, config, TINY, 4, Draws.seeded(range(6)))[0])
    plain, noisy = rows
    assert torch.equal(plain.base_B3HW, noisy.base_B3HW) and torch.equal(plain.t_B, noisy.t_B)
    for name in ("tokens_BL", "has_text_B", "values_BP", "has_value_BP"):
        assert torch.equal(getattr(plain.condition[:4], name), getattr(noisy.condition[:4], name))
    assert plain.condition.noise_BP is None and noisy.condition.noise_BP is not None
    assert torch.equal(noisy.condition[2:4].noise_BP, noisy.condition.noise_BP[2:4])  # type: ignore[arg-type]
