"""Saving and loading run configurations, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from majolica.config.data import SourceConfig
from majolica.config.io import load_config, save_config
from majolica.config.run import RunConfig
from majolica.config.training import OptimConfig
from majolica.errors import UserError
from majolica.recipes import RECIPES, recipe


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_comes_back_unchanged(tmp_path: Path, name: str) -> None:
    save_config(recipe(name), tmp_path / "run" / "config.yaml")
    assert load_config(tmp_path / "run" / "config.yaml") == recipe(name)


def test_awkward_values_come_back_unchanged(tmp_path: Path) -> None:
    optim = OptimConfig(lr=1e-17, lr_end=0.1 + 0.2, weight_decay=0.0)
    config = dataclasses.replace(RunConfig(), recipe="no: 'yes' # ☂", optim=optim)
    save_config(config, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml") == config


@pytest.mark.parametrize("text", ["1e5", "12e45678", "+1e2", ".5e3", "5.e3", "1_0e3", "0x1f", "no", "~"])
def test_text_that_looks_like_a_number_comes_back_as_text(tmp_path: Path, text: str) -> None:
    config = dataclasses.replace(RunConfig(), recipe=text)
    save_config(config, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml") == config


def test_mixtures_come_back_unchanged(tmp_path: Path) -> None:
    start = RunConfig()
    data = dataclasses.replace(
        start.data, sources=(SourceConfig("a", 2.0), SourceConfig("s3://b")), weights_end=(1.0, 3.0)
    )
    config = dataclasses.replace(start, data=data)
    save_config(config, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml") == config
    short = load_config(write(tmp_path, "data: {sources: [{shards: a, weight: 2}, {shards: s3://b}]}"))
    assert short.data.sources == data.sources


def test_a_key_of_an_earlier_version_is_passed_over(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "train: {steps: 5, replanned: [[40, 700]]}")).train.steps == 5


def test_an_option_that_came_after_a_run_stays_off(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    save_config(recipe("demo"), path)
    names = ("t_early", "drop_properties", "property_entry")
    path.write_text("".join(line for line in path.open() if line.split(":")[0].strip() not in names))
    run, mine = load_config(path), load_config(path, recipe)
    assert (run.loss.t_early, run.loss.drop_properties, run.model.property_entry) == (0, 0, "tokens")
    assert mine == recipe("demo")  # a file of one's own, in place of a recipe


def test_left_out_keys_come_from_the_defaults_or_the_recipe(tmp_path: Path) -> None:
    path = write(tmp_path, "recipe: nano\ntrain: {steps: 5}\n")
    run, usual = load_config(path), RunConfig()
    assert (run.recipe, run.train) == ("nano", dataclasses.replace(usual.train, steps=5))
    assert (run.optim, run.data) == (usual.optim, usual.data)
    nano = recipe("nano")
    assert load_config(path, recipe) == dataclasses.replace(nano, train=dataclasses.replace(nano.train, steps=5))


def test_numbers_without_a_point_are_numbers(tmp_path: Path) -> None:
    optim = load_config(write(tmp_path, "optim: {lr: 3e-4, lr_end: 1E-6, clip: 2}")).optim
    assert (optim.lr, optim.lr_end, optim.clip) == (3e-4, 1e-6, 2.0)
    assert type(optim.clip) is float


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optim: {lrr: 1}", r"unknown key 'optim\.lrr': did you mean 'optim\.lr'\?"),
        (
            "model: {text: {vocap: 3}}",
            r"unknown key 'model\.text\.vocap': did you mean 'model\.text\.vocab'\?",
        ),
        ("optimm: {}", r"unknown key 'optimm': did you mean 'optim'\?"),
        ("optim: {lr: fast}", r"optim\.lr must be a number, not 'fast'"),
        ("train: {steps: 1e3}", r"train\.steps must be a whole number, not 1000\.0"),
        ("train: {steps: true}", r"train\.steps must be a whole number, not true"),
        ("train: {precision: fp16}", r"train\.precision must be one of auto, fp32, bf16, fp8, not 'fp16'"),
        ("train: 3", r"train must be a mapping"),
        ("data: {cache: 1}", r"data\.cache must be true or false, not 1"),
        ("data: {shards: }", r"data\.shards must be text, not empty"),
        ("model: {properties: brightness}", r"model\.properties must be a list, not 'brightness'"),
        ("model: {properties: [1]}", r"model\.properties\[0\] must be text, not 1"),
        ("data: {sources: [{shard: a}]}", r"unknown key 'data\.sources\[0\]\.shard': did you mean"),
        ("data: {sources: [a]}", r"data\.sources\[0\] must be a mapping"),
        ("- 1", r"must be a mapping"),
        ("", r"is empty; --print-config of the command"),
        ("a: [", r"is not YAML: line 1: "),
        ("train:\n  steps: 1\n  steps: 2", r"line \d: the key 'steps' stands twice"),
        ("train: {batch: 010}", r"line 1: 010 is no plain number: write it without a leading 0"),
        ("train: {minutes: 1:30}", r"line 1: 1:30 is no plain number"),
        ("train: {minutes: 1:30.5}", r"line 1: 1:30\.5 is no plain number"),
        ("!!python/object/apply:os.getcwd []", r"is not YAML"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UserError, match=message) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_files_are_the_users_business(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read the configuration .*No such file"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        load_config(tmp_path / "binary.yaml")
    with pytest.raises(UserError, match="unknown recipe 'nanno': did you mean 'nano'"):
        load_config(write(tmp_path, "recipe: nanno"), recipe)
