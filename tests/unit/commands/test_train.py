"""What `majolica train` hands to the trainer."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from majolica import cli
from majolica.commands.train import TrainOptions, describe_config
from majolica.config import io
from majolica.config.run import RunConfig
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.recipes import recipe
from majolica.run.checkpoint import Saved, save_checkpoint
from majolica.run.step_plan import StepPlan


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Calls of a trainer that does nothing, in a folder with shards where the recipes look for them."""
    monkeypatch.chdir(tmp_path)
    Path("data/openmoji/train").mkdir(parents=True)
    made: list[tuple[Any, ...]] = []
    trainer = ModuleType("majolica.launch.start")
    trainer.train = lambda config, out, resume=False: made.append((config, out, resume))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "majolica.launch.start", trainer)
    return made


def test_every_section_of_a_configuration_is_an_option() -> None:
    sections = {field.name for field in fields(RunConfig)} - {"recipe"}
    assert sections < {field.name for field in fields(TrainOptions)}


def test_a_recipe_trains_in_a_folder_of_its_name(calls: list[tuple[Any, ...]]) -> None:
    assert cli.main(["train", "nano"]) == 0
    assert calls == [(recipe("nano"), Path("runs/nano"), False)]


def test_options_and_out(calls: list[tuple[Any, ...]]) -> None:
    words = "train nano --out here --train.steps 50 --model.properties contrast --train.compile"
    assert cli.main(words.split()) == 0
    [(config, out, resume)] = calls
    assert (config.train.steps, config.model.properties, config.train.compile) == (50, ("contrast",), True)
    assert (out, resume) == (Path("here"), False)


def test_a_run_is_not_overwritten(calls: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]) -> None:
    io.save_config(recipe("nano"), Path("runs/nano/config.yaml"))
    assert cli.main(["train", "nano"]) == 2
    assert "runs/nano already holds a run: go on with `--resume runs/nano`" in capsys.readouterr().err
    assert calls == []


def test_resume_takes_the_runs_own_configuration(calls: list[tuple[Any, ...]]) -> None:
    config = io.from_dict({"optim": {"lr": 5e-4}}, recipe("nano"))
    io.save_config(config, Path("somewhere/config.yaml"))
    assert cli.main(["train", "--resume", "somewhere", "--train.steps", "600"]) == 0
    [(resumed, out, resume)] = calls
    assert resumed == io.from_dict({"train": {"steps": 600}}, config)
    assert (out, resume) == (Path("somewhere"), True)


def test_two_runs_do_not_go_on_at_once(calls: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]) -> None:
    """The configuration would be that of the first, and the weights those of the last."""
    for words in (["--resume", "one", "--resume", "two"], ["--resume=one", "--resume=two"]):
        assert cli.main(["train", *words]) == 2
        assert "--resume names one and two: a run goes on by itself, so keep one" in capsys.readouterr().err
    assert calls == []


def test_init_from_is_a_field_of_the_configuration(calls: list[tuple[Any, ...]], capsys: Any) -> None:
    Path("runs/a").mkdir(parents=True)
    Path("b.safetensors").write_bytes(b"")
    assert cli.main(["train", "nano", "--init-from", "runs/a", "--out", "one"]) == 0
    assert cli.main(["train", "nano", "--train.init-from", "b.safetensors", "--out", "two"]) == 0
    assert [config.train.init_from for config, _, _ in calls] == ["runs/a", "b.safetensors"]
    assert cli.main(["train", "nano", "--init-from", "runs/a", "--train.init-from", "b.safetensors"]) == 2
    assert "keep one" in capsys.readouterr().err
    assert cli.main(["train", "nano", "--init-from", "runs/gone"]) == 2
    assert "--init-from runs/gone is not there" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--init-from", "--train.init-from"])
def test_a_run_that_goes_on_is_not_given_other_weights(calls: list[tuple[Any, ...]], capsys: Any, option: str) -> None:
    """What it began with stands in its configuration, and need not be there any more."""
    io.save_config(io.from_dict({"train": {"init_from": "runs/gone"}}, recipe("nano")), Path("a/config.yaml"))
    Path("runs/b").mkdir(parents=True)
    assert cli.main(["train", "--resume", "a", option, "runs/b"]) == 2
    assert "--resume a goes on with the weights of that run" in capsys.readouterr().err and calls == []
    assert cli.main(["train", "--resume", "a"]) == 0
    assert calls[0][0].train.init_from == "runs/gone"


def test_steps_that_follow_from_the_pictures_are_said_to(calls: list[tuple[Any, ...]], capsys: Any) -> None:
    assert cli.main(["train", "art", "--train.steps", "0", "--data.shards", "data/openmoji/train"]) == 0
    [(config, _, _)] = calls
    assert config.train.steps == 0
    assert "to be fitted to the number of pictures" in describe_config(config)
    assert "--train.processes 0 and --train.precision auto, to the machine" in describe_config(config)
    Path("mine.yaml").write_text("recipe: art\ntrain: {steps: 0}")
    assert cli.main(["plan", "mine.yaml"]) == 2
    assert "--train.steps is 0" in capsys.readouterr().err


def test_what_an_option_settles_is_not_said_to_be_fitted(calls: list[tuple[Any, ...]]) -> None:
    assert cli.main(["train", "nano", "--train.processes", "1"]) == 0
    assert cli.main(["train", "nano", "--train.processes", "1", "--train.precision", "fp32", "--out", "b"]) == 0
    (one, _, _), (both, _, _) = calls
    assert "to be fitted   --train.precision auto, to the machine" in describe_config(one)
    assert "to be fitted" not in describe_config(both)


def test_a_dry_run_describes_the_steps_that_fit_the_pictures(tmp_path: Path, capsys: Any) -> None:
    write_shards(tmp_path / "mine", (Record(b"p", "jpg", f"a fox {i}", {}) for i in range(50)), per_shard=50)
    words = ["train", "nano", "--data.shards", str(tmp_path / "mine"), "--train.steps", "0", "--dry-run"]
    assert cli.main(words) == 0
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line[:7] in ROWS)
    assert rows == {"steps": "1,000", "samples": "32,000"}


ROWS = ("steps  ", "samples")


def test_held_out_shards_are_there_and_not_trained_on(calls: list[tuple[Any, ...]], capsys: Any) -> None:
    assert cli.main(["train", "nano", "--data.heldout", "gone"]) == 2
    assert "no shards at --data.heldout gone" in capsys.readouterr().err
    assert cli.main(["train", "nano", "--data.heldout", str(Path("data/openmoji/train").absolute())]) == 2
    assert "is trained on" in capsys.readouterr().err and calls == []
    assert cli.main(["train", "nano", "--data.heldout", "gone", "--train.heldout-every", "0"]) == 0
    Path("held").mkdir()
    assert cli.main(["train", "nano", "--data.heldout", "held", "--out", "b"]) == 0
    assert cli.main(["train", "nano", "--data.heldout", "s3://bucket/held", "--out", "c"]) == 0


@pytest.mark.parametrize(
    ("named", "why"),
    [("made", "holds no .tar files"), ("made/train", "is trained on"), ("made/held", "no shards at")],
)
def test_held_out_shards_that_lie_nearby_are_named(
    calls: list[tuple[Any, ...]], capsys: Any, named: str, why: str
) -> None:
    for folder in (Path("made/train"), Path("made/heldout")):
        folder.mkdir(parents=True)
        (folder / "00000.tar").touch()
    assert cli.main(["train", "nano", "--data.shards", "made/train", "--data.heldout", named]) == 2
    told = capsys.readouterr().err
    assert why in told and told.endswith(": give --data.heldout made/heldout\n") and calls == []


@pytest.mark.parametrize(
    "words", [["--resume"], ["--resume", "--train.steps", "9"], ["--resume="], ["--train.steps", "9", "--resume"]]
)
def test_resume_without_a_folder_asks_for_one(calls: list[tuple[Any, ...]], capsys: Any, words: list[str]) -> None:
    assert cli.main(["train", *words]) == 2
    assert "say which run to go on with: majolica train --resume RUN" in capsys.readouterr().err and calls == []


def test_resume_with_another_out_is_refused(calls: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]) -> None:
    io.save_config(recipe("nano"), Path("a/config.yaml"))
    assert cli.main(["train", "--resume", "a", "--out", "b"]) == 2
    assert "leave --out out" in capsys.readouterr().err
    assert calls == []


def test_a_source_that_is_not_there_is_named(calls: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]) -> None:
    Path("here").mkdir()
    Path("mine.yaml").write_text("recipe: nano\ndata: {sources: [{shards: here}, {shards: s3://b/x}, {shards: gone}]}")
    assert cli.main(["train", "mine.yaml"]) == 2
    assert "no shards at gone, one of data.sources" in capsys.readouterr().err
    Path("gone").mkdir()
    assert cli.main(["train", "mine.yaml", "--data.sources.2.weight", "0.5"]) == 0
    assert [source.weight for source in calls[0][0].data.sources] == [1.0, 1.0, 0.5]


def test_a_folder_of_ones_own_that_is_not_there_is_not_one_of_drawings(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "nano", "--data.shards", "gone", "--out", "run"]) == 2
    told = capsys.readouterr().err
    assert "`majolica data shard PICTURES --out gone`" in told and "openmoji" not in told


def test_an_option_that_would_not_count_is_refused(calls: list[tuple[Any, ...]], capsys: Any) -> None:
    for folder in ("here", "there"):
        Path(folder).mkdir()
    Path("mixed.yaml").write_text("recipe: nano\ndata: {sources: [{shards: here}, {shards: there}]}")
    Path("timed.yaml").write_text("recipe: nano\ntrain: {minutes: 5}")
    cases = {
        "mixed.yaml --data.shards here": "--data.shards does not count while the configuration has data.sources: give"
        " other places of these with --data.sources.0.shards to --data.sources.1.shards, or take",
        "mixed.yaml --data.sources.1.weight=2 --data.temperature 2": "--data.sources.1.weight does not count while",
        "mixed.yaml --data.weights-over 9": "--data.weights-over does not count without --data.weights-end",
        "mixed.yaml --data.temperature 0.01": "data.temperature is 0.01: it must be at least 0.1, or 0 for the weights",
        "timed.yaml --train.steps 50": "--train.steps does not count while --train.minutes is 5: leave it out, or give",
        "nano --train.steps 50 --train.schedule_from x": "--train.steps does not count while --train.schedule-from",
        "nano --train.minutes 1 --train.schedule-from x": "--train.minutes does not count while --train.schedule-from",
    }
    for words, told in cases.items():
        assert cli.main(["train", *words.split()]) == 2
        assert told in capsys.readouterr().err and calls == []
    for words in ("mixed.yaml --data.sources.0.shards there", "timed.yaml --train.steps 50 --train.minutes 0"):
        assert cli.main(["train", *words.split(), "--out", f"out{len(calls)}"]) == 0
    assert cli.main(["train", "timed.yaml", "--train.steps", "0", "--out", "fitted"]) == 0, "it fits more than steps"


def test_a_dry_run_says_that_minutes_or_a_schedule_decide_the_steps(tmp_path: Path, capsys: Any) -> None:
    write_shards(tmp_path / "mine", (Record(b"p", "jpg", f"a fox {i}", {}) for i in range(50)), per_shard=50)
    saved = Saved({}, {"step": 40, "plan": StepPlan(40).to_json(), "seconds": 1.0})
    save_checkpoint(tmp_path / "done", 40, saved, keep=1)
    words = ["train", "nano", "--data.shards", str(tmp_path / "mine"), "--dry-run", "--out", str(tmp_path / "out")]
    shown = []
    for more in (["--train.minutes", "5"], ["--train.schedule-from", str(tmp_path / "done")]):
        assert cli.main([*words, *more]) == 0
        lines = capsys.readouterr().out.splitlines()
        shown.append(dict(line.split(maxsplit=1) for line in lines if line[:7] in ROWS))
    minutes = "as many as fit into 5 minutes (--train.minutes)"
    assert shown[0] == {"steps": minutes, "samples": minutes}
    assert shown[1] == {"steps": f"40, those of --train.schedule-from {tmp_path / 'done'}", "samples": "2,560"}


def test_a_file_says_which_recipe_it_changes(calls: list[tuple[Any, ...]], capsys: Any) -> None:
    Path("mine.yaml").write_text("train: {steps: 5}")
    for verb in ("train", "plan"):
        assert cli.main([verb, "mine.yaml"]) == 2
        assert "mine.yaml: say which recipe it changes, as in `recipe: nano` (demo, nano, " in capsys.readouterr().err
    assert calls == []


def test_a_plan_has_the_steps_that_count(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "timed.yaml").write_text("recipe: nano\ntrain: {minutes: 5}")
    assert cli.main(["plan", str(tmp_path / "timed.yaml")]) == 2
    assert "--train.minutes is 5, so the steps follow from the pace of the machine" in capsys.readouterr().err
