"""What a configuration must satisfy, and what follows from it."""

from __future__ import annotations

from typing import Any

import pytest

from majolica.config import io
from majolica.config.checks import check_config, derive_values, estimate_parameters
from majolica.config.run import RunConfig
from majolica.errors import UserError
from majolica.recipes import RECIPES, recipe


def changed(start: RunConfig, path: str, value: Any) -> RunConfig:
    data = io.to_dict(start)
    *sections, name = path.split(".")
    inner = data
    for section in sections:
        inner = inner[section]
    inner[name] = value
    return io.from_dict(data, RunConfig())


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_sound(name: str) -> None:
    assert check_config(recipe(name)) == recipe(name)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("model.patch", 15, r"model\.patch 15 does not divide model\.resolution 32: try 16"),
        ("model.heads", 3, r"model\.heads 3 does not split model\.width 128 .*: try \d heads"),
        ("model.heads", 64, r"multiple of 4: try 32 heads"),
        ("model.text.heads", 3, r"model\.text\.heads 3 does not split"),
        ("model.properties", ["brightnes"], r"unknown property 'brightnes': did you mean 'brightness'"),
        ("model.properties", ["contrast", "contrast"], r"names one twice"),
        ("model.text.vocab", 100, r"model\.text\.vocab is 100: at least 300"),
        ("model.text.length", 1, r"model\.text\.length is 1"),
        ("model.width", 0, r"model\.width is 0: it must be above 0"),
        ("model.synthesis_depth", -1, r"model\.synthesis_depth is -1"),
        ("train.steps", 10, r"train\.steps 10 is less than optim\.warmup 30"),
        ("train.seed", -1, r"train\.seed is -1: it must not be negative"),
        ("optim.lr", float("nan"), r"optim\.lr is nan"),
        ("optim.lr", 1e-9, r"optim\.lr_end 1e-05 is above the peak optim\.lr 1e-09"),
        ("optim.ema", 1.0, r"optim\.ema is 1: it must be below 1"),
        ("loss.drop_text", 1.5, r"loss\.drop_text is 1\.5: it is a share"),
        ("loss.clean_share", 1.0, r"loss\.clean_share 1 leaves none of 64 rows"),
        ("loss.clean_share_end", 0.999, r"loss\.clean_share_end 0\.999 leaves none"),
        (
            "loss",
            {"clean_share": 0.001, "clean_share_end": 0.0},
            r"clean_share 0\.001 leaves none of 64 rows clean, so",
        ),
        ("loss", {"flow": 0.0, "contrastive": 0.0}, r"loss\.flow and loss\.contrastive are both 0"),
        ("loss.flow", -1.0, r"loss\.flow is -1"),
        ("loss.recolour", 1.5, r"loss\.recolour is 1\.5: it is a share"),
        ("loss.fine_scales", (2, 1), r"loss\.fine_scales is \[2, 1\]: give whole numbers from 2 on"),
        ("loss.fine_scales", (2, 2), r"loss\.fine_scales is \[2, 2\]: .* each once"),
        ("loss.fine_scales", (), r"loss\.fine_scales is \[\]"),
        ("train.only", ("decoder",), r"train\.only keeps other parts as they are: give trained weights"),
        ("train.only", ("decodr",), r"unknown part of the model 'decodr': did you mean 'decoder'"),
    ],
)
def test_what_makes_no_sense_is_refused(path: str, value: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_config(changed(recipe("nano"), path, value))


def test_values_that_may_be_zero_or_negative_pass() -> None:
    config = recipe("nano")
    for path in ("loss.t_mean", "optim.weight_decay", "loss.fine_share", "model.registers", "optim.warmup"):
        check_config(changed(config, path, 0))
    check_config(changed(config, "loss.t_mean", -2.0))
    check_config(changed(config, "model.properties", []))


def test_derived_values_of_the_reference() -> None:
    values = derive_values(recipe("reference"))
    assert values["tokens"] == 256
    assert values["global_batch"] == 16 * 4 * 64 == 4096
    assert values["samples"] == pytest.approx(1.5e9, rel=0.01)
    assert values["noisy_rows"] + values["clean_rows"] == 16
    assert values["parameters"] == pytest.approx(2.5e9, rel=0.03)  # the design's own figure
    assert values["state_gb"] == pytest.approx(50, rel=0.03)


@pytest.mark.parametrize("name", RECIPES)
def test_the_formula_counts_the_model_that_is_built(name: str) -> None:
    import torch

    from majolica.models.majolica import Majolica

    with torch.device("meta"):
        model = Majolica(recipe(name).model)
    real = sum(parameter.numel() for parameter in model.parameters())
    assert estimate_parameters(recipe(name).model) == pytest.approx(real, rel=0.01)
