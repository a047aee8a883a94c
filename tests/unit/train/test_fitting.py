"""Every recipe is fitted to the machine where it leaves something open, and to nothing where it does not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from majolica.config.checks import check_config
from majolica.config.data import DataConfig, SourceConfig
from majolica.config.fitting import fit_schedule, has_open_options
from majolica.config.io import load_config
from majolica.config.run import RunConfig
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.errors import UserError
from majolica.launch.prepare import prepare_run
from majolica.recipes import RECIPES, recipe
from majolica.train import fitting
from majolica.train.fitting import Machine, check_settled, fit_new_run, fit_to_machine, fit_to_pictures, this_machine
from ranks import changed
from tiny import tiny_run

LAPTOP, SERVER = Machine("cpu", 2, True), Machine("cpu", 8, False)
GPU, NODE = Machine("cuda", 1, True), Machine("cuda", 8, True)
CLUSTERS = ("base", "large", "xlarge", "reference")


def chosen(config: RunConfig) -> tuple[int, int, str]:
    return config.train.processes, config.train.batch, config.train.precision


@pytest.mark.parametrize(
    ("name", "machine", "expected"),
    [
        ("demo", LAPTOP, (2, 64, "bf16")),
        ("demo", SERVER, (8, 16, "fp32")),
        ("demo", GPU, (1, 128, "bf16")),
        ("demo", NODE, (1, 128, "bf16")),
        ("nano", LAPTOP, (2, 32, "bf16")),
        ("nano", SERVER, (8, 8, "fp32")),
        ("art", NODE, (2, 128, "bf16")),
        ("small", GPU, (1, 256, "bf16")),
        ("small", NODE, (2, 128, "bf16")),
        ("demo", Machine("cpu", 6, True), (4, 32, "bf16")),
        ("demo", Machine("cpu", 1, False), (1, 128, "fp32")),
    ],
)
def test_a_recipe_fits_the_machine(name: str, machine: Machine, expected: tuple[int, int, str]) -> None:
    fitted, said = fit_new_run(recipe(name), machine)
    assert chosen(check_config(fitted)) == expected
    [line] = said
    processes, batch, precision = expected
    options = f"--train.processes {processes}, --train.batch {batch}, --train.precision {precision}"
    assert options in line
    assert str(machine) in line


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("machine", [LAPTOP, SERVER, GPU, NODE], ids=str)
def test_the_global_batch_is_what_the_recipe_says(name: str, machine: Machine) -> None:
    asked, train = recipe(name).train, fit_to_machine(recipe(name), machine).train
    assert train.batch * train.processes == asked.batch * (asked.processes or 1)
    assert not has_open_options(fit_to_machine(recipe(name), machine))


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_recipe_for_a_cluster_never_shrinks_and_what_the_machine_lacks_is_said(name: str) -> None:
    assert fit_new_run(recipe(name), NODE) == (recipe(name), [])
    same, [line] = fit_new_run(recipe(name), SERVER)
    assert same == recipe(name) and "--train.precision is bf16" in line and "without bfloat16" in line


def test_an_explicit_option_wins() -> None:
    one = fit_to_machine(changed(recipe("demo"), processes=1), SERVER)
    assert chosen(one) == (1, 128, "fp32")
    exact = fit_to_machine(changed(recipe("demo"), precision="fp32"), LAPTOP)
    assert chosen(exact) == (2, 64, "fp32")
    few = fit_to_machine(changed(recipe("demo"), batch=12), SERVER)
    assert chosen(few) == (1, 12, "fp32")


def test_a_run_that_has_begun_leaves_nothing_open() -> None:
    check_settled(fit_to_machine(recipe("nano"), LAPTOP))
    settled = fit_to_machine(recipe("nano"), LAPTOP)
    for config in (
        changed(recipe("nano"), precision="bf16"),
        changed(recipe("nano"), processes=1),
        changed(settled, steps=0),
    ):
        with pytest.raises(UserError, match="settled when a run begins"):
            check_settled(config)
    with pytest.raises(UserError, match=r"^--train.steps 0 is settled .*: give a value, or leave it as"):
        check_settled(changed(settled, steps=0))
    with pytest.raises(UserError, match=r"^--train.processes 0 and --train.precision auto are settled"):
        check_settled(recipe("nano"))


def test_cores_that_a_container_leaves_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting.torch.cuda, "is_available", lambda: False)
    for there, used in ((1, 1), (3, 3), (64, 8)):
        monkeypatch.setattr(fitting, "cores", lambda there=there: there)
        assert this_machine().places == used


def test_steps_are_fitted_to_the_pictures_of_all_sources(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, count in (("a", 30), ("b", 20)):
        write_shards(tmp_path / name, (Record(b"p", "jpg", f"a fox {i}", {}) for i in range(count)), per_shard=20)
    sources = (SourceConfig(str(tmp_path / "a")), SourceConfig(str(tmp_path / "b")))
    config = changed(tiny_run(tmp_path), steps=0)
    model = dataclasses.replace(config.model, properties=())  # what is no picture cannot be measured
    config = dataclasses.replace(config, model=model, data=DataConfig(sources=sources))
    fitted, [line] = fit_to_pictures(config)
    assert fitted == fit_schedule(config, 50) and fitted.train.steps == 1_000
    assert line.startswith("fitted to 50 pictures: --train.steps 1000, each with 16 rows, so that each picture is seen")
    assert "about 320 times" in line
    prepare_run(config, tmp_path / "run", resume=False)
    assert line in capsys.readouterr().err
    assert load_config(tmp_path / "run" / "config.yaml").train.steps == 1_000
    assert fit_to_pictures(fitted) == (fitted, [])


@pytest.mark.parametrize(
    ("decides", "told"),
    [
        ({"minutes": 5.0}, "steps of 16 rows, as many as fit into 5 minutes (--train.minutes); --optim.warmup"),
        ({"minutes": 1.0}, "as many as fit into 1 minute (--train.minutes)"),
        ({"schedule_from": "runs/done"}, "steps of 16 rows, as many as --train.schedule-from runs/done has; --optim."),
    ],
)
def test_steps_that_something_else_decides_are_not_said_to_be_fitted(
    tmp_path: Path, decides: dict[str, object], told: str
) -> None:
    """The pictures still decide the rows of a step, the warm-up and the averaging."""
    write_shards(tmp_path / "a", (Record(b"p", "jpg", f"a fox {i}", {}) for i in range(30)), per_shard=30)
    config = changed(tiny_run(tmp_path), steps=0, **decides)
    config = dataclasses.replace(config, data=DataConfig(shards=str(tmp_path / "a")))
    [line] = fit_to_pictures(config)[1]
    assert line.startswith("fitted to 30 pictures: ") and told in line
    assert "--train.steps" not in line and "is seen" not in line
