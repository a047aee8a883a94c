"""The schedule that a number of pictures asks for."""

from __future__ import annotations

import dataclasses

import pytest

from majolica.config.checks import check_config
from majolica.config.fitting import LEAST_ROWS, LEAST_STEPS, fit_schedule, passes_over, rows_of_step
from majolica.config.run import RunConfig
from majolica.recipes import RECIPES, recipe
from ranks import changed


def fitted(name: str, pictures: int) -> RunConfig:
    return fit_schedule(changed(recipe(name), steps=0), pictures)


@pytest.mark.parametrize(
    ("pictures", "passes"),
    [(1, 100), (10_000, 100), (40_000, 50), (1_000_000, 10), (100_000_000, 1), (1_500_000_000, 1)],
)
def test_few_pictures_are_seen_often_and_many_once(pictures: int, passes: float) -> None:
    assert passes_over(pictures) == pytest.approx(passes)


@pytest.mark.parametrize(
    ("name", "pictures", "steps", "batch", "accumulate"),
    [
        ("art", 200, 1_000, 32, 1),  # 625 steps of the fewest rows are too few
        ("art", 2_000, 1_563, 128, 1),
        ("art", 10_000, 3_907, 256, 1),
        ("small", 2_000, 1_563, 128, 1),  # micro-steps go before rows
        ("small", 5_000, 1_954, 256, 1),
        ("small", 1_000_000, 19_532, 256, 2),
        ("nano", 10_000, 15_625, 64, 1),
    ],
)
def test_steps_and_rows_follow_from_the_pictures(
    name: str, pictures: int, steps: int, batch: int, accumulate: int
) -> None:
    train = fitted(name, pictures).train
    assert (train.steps, train.batch, train.accumulate) == (steps, batch, accumulate)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("pictures", [0, 1, 321, 4_000, 70_000, 5_000_000])
def test_what_is_fitted_is_sound_for_every_recipe(name: str, pictures: int) -> None:
    asked, found = recipe(name), check_config(fitted(name, pictures))
    train, optim = found.train, found.optim
    assert train.steps >= LEAST_STEPS and LEAST_ROWS <= rows_of_step(train) <= rows_of_step(asked.train)
    assert train.steps * rows_of_step(train) >= pictures * passes_over(pictures)
    assert optim.warmup <= min(asked.optim.warmup, train.steps / 20)
    assert 1 / (1 - optim.ema) <= train.steps / 20 + 1e-6 and optim.ema <= asked.optim.ema
    assert train.log_every >= 1 and 10 * max(train.checkpoint_every, train.sample_every) <= train.steps


def test_steps_that_are_named_stay_with_all_that_belongs_to_them() -> None:
    for name in RECIPES:
        assert fit_schedule(recipe(name), 100) == recipe(name)


def test_what_is_shorter_already_and_what_is_turned_off_stays() -> None:
    config = changed(recipe("small"), steps=0, sample_every=0, log_every=3)
    config = dataclasses.replace(config, optim=dataclasses.replace(config.optim, warmup=7, ema=0.5))
    found = fit_schedule(config, 50_000)
    assert (found.optim.warmup, found.optim.ema) == (7, 0.5)
    assert (found.train.sample_every, found.train.log_every) == (0, 3)


def test_rows_that_cannot_be_halved_stay() -> None:
    config = changed(recipe("nano"), steps=0, batch=75)
    assert fit_schedule(config, 10).train.batch == 75
