"""The registry of recipes, and the reference recipe against its specification."""

from __future__ import annotations

import pytest

from majolica.config import io
from majolica.config.checks import derive_values
from majolica.config.run import RunConfig
from majolica.errors import UserError
from majolica.recipes import RECIPES, recipe, summarise_recipe
from majolica.train.sample import COUNT, STEPS

# The specification of the reference system, row by row.
REFERENCE = {
    "model.resolution": 256,  # 256x256 resize
    "model.patch": 16,  # non-overlapping patches: 256 tokens
    "model.width": 2048,  # trunk 2048x36
    "model.perception_depth": 18,
    "model.synthesis_depth": 18,
    "model.text.vocab": 32_000,  # SentencePiece pieces
    "data.flip": True,  # random horizontal flip
    "train.processes": 64,  # A100s
    "train.batch": 16,  # a GPU
    "train.accumulate": 4,
    "optim.beta1": 0.9,
    "optim.beta2": 0.95,
    "optim.weight_decay": 0.05,
    "optim.lr": 1e-4,  # peak
    "optim.lr_end": 1e-6,
    "optim.warmup": 5_000,
    "optim.muon_lr": 0.0,  # AdamW alone
    "train.precision": "bf16",
    "train.checkpoint_every": 10_000,
    "train.steps": 366_000,  # 1.5 B pairs at 4,096 a step
}


def field(config: RunConfig, path: str) -> object:
    value: object = config
    for name in path.split("."):
        value = getattr(value, name)
    return value


@pytest.mark.parametrize(("path", "value"), REFERENCE.items())
def test_reference_is_the_specification(path: str, value: object) -> None:
    assert field(recipe("reference"), path) == value


def test_reference_batch_and_jitter() -> None:
    assert derive_values(recipe("reference"))["global_batch"] == 4096
    assert recipe("reference").data.jitter > 0


@pytest.mark.parametrize(
    ("name", "width", "depth"),
    [
        ("small", 384, 12),
        ("base", 768, 12),
        ("large", 1024, 24),
        ("xlarge", 1536, 28),
        ("reference", 2048, 36),
    ],
)
def test_the_ladder_of_sizes(name: str, width: int, depth: int) -> None:
    model = recipe(name).model
    assert (model.width, model.perception_depth + model.synthesis_depth) == (width, depth)
    assert derive_values(recipe(name))["tokens"] == 256


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_carries_its_own_name_and_says_what_it_is(name: str) -> None:
    assert recipe(name).recipe == name
    assert summarise_recipe(name)


def test_the_small_recipes_are_fitted_to_the_machine() -> None:
    for name in ("demo", "nano"):
        config = recipe(name)
        assert (config.train.processes, config.train.precision) == (0, "auto")
        assert config.model.resolution <= 64


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_paints_grids_that_cost_little(name: str) -> None:
    """A picture takes about two forward passes of a row in every solver step; training takes three for each row."""
    train = recipe(name).train
    assert 0 < train.sample_every <= train.steps / 3
    painted = COUNT * STEPS * 2
    trained = train.sample_every * train.batch * train.accumulate * 3
    assert painted <= 0.03 * trained


def test_a_recipe_is_made_afresh_and_cannot_be_changed() -> None:
    assert recipe("demo") == recipe("demo")
    with pytest.raises(AttributeError):
        recipe("demo").train.steps = 1  # type: ignore[misc]


def test_an_unknown_recipe_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown recipe 'bass': did you mean 'base'"):
        recipe("bass")
    with pytest.raises(UserError, match="unknown recipe 'zzz': known are demo, nano"):
        recipe("zzz")


def test_the_saved_form_has_every_field() -> None:
    assert io.to_dict(recipe("reference")).keys() == {"recipe", "model", "data", "loss", "optim", "train"}
