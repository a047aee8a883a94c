"""Trackers are told what the log says, and cannot hurt a run."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from majolica.config.run import RunConfig
from majolica.config.training import TrainConfig
from majolica.train.watch.trackers import open_trackers


def config(*names: Any) -> RunConfig:
    return RunConfig(train=TrainConfig(trackers=names))


def test_wandb_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    fake = SimpleNamespace(
        init=lambda **options: told.append(options["project"]),
        log=lambda values, step: told.append((step, values)),
        finish=lambda: told.append("end"),
    )
    monkeypatch.setitem(sys.modules, "wandb", fake)
    trackers = open_trackers(tmp_path, config("wandb"), 0, told.append)
    trackers(3, {"loss": 1.0})
    trackers.close()
    assert told == ["majolica", (3, {"loss": 1.0}), "end"]


@pytest.mark.parametrize(("service", "key"), [("wandb", "id"), ("trackio", "name")])
def test_runs_in_folders_of_one_name_are_two_and_a_resumed_run_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: str, key: str
) -> None:
    known: list[str] = []
    fake = SimpleNamespace(init=lambda **options: known.append(options[key]))
    monkeypatch.setitem(sys.modules, service, fake)
    for place, step in (("a/run", 0), ("b/run", 0), ("a/run", 5)):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        open_trackers(tmp_path / place, config(service), step, known.append)
    (tmp_path / "old/run/wandb").mkdir(parents=True)
    open_trackers(tmp_path / "old/run", config(service), 5, known.append)  # an earlier version told of it
    first, second, again, old = known
    assert first == again != second and {each[:-8] for each in (first, second)} == {"run-"} and old == "run"


def test_a_failing_tracker_is_dropped_once_and_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise ConnectionError("offline")

    said: list[str] = []
    monkeypatch.setitem(sys.modules, "trackio", SimpleNamespace(init=lambda **o: None, log=fail, finish=fail))
    trackers = open_trackers(tmp_path, config("trackio", "tensorboard"), 0, said.append)
    for step in range(3):
        trackers(step, {"loss": 1.0})
    trackers.close()
    assert said == ["trackio failed (offline) and is told no more; log.jsonl goes on"]
    assert list((tmp_path / "tensorboard").iterdir())


def test_a_missing_package_is_a_line_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setitem(sys.modules, "wandb", None)
    open_trackers(tmp_path, config("wandb"), 0, said.append)(1, {"loss": 1.0})
    assert len(said) == 1 and "pip install 'majolica[wandb]'" in said[0]
