"""A training by the clock: minutes become steps, and the run can be repeated."""

import dataclasses
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from majolica.config.io import load_config
from majolica.launch.start import train
from majolica.run import checkpoint
from majolica.train.watch import pace
from tiny import tiny_run, weights


def test_minutes_become_steps(shards: Path, tmp_path: Path) -> None:
    config = tiny_run(shards, steps=10_000)
    timed = dataclasses.replace(config, train=dataclasses.replace(config.train, minutes=0.02))
    train(timed, tmp_path)
    assert load_config(tmp_path / "config.yaml").train == timed.train  # what was asked for, whatever came of it
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["step"] == summary["steps"] < 10_000


def test_a_machine_that_slows_down_still_ends_in_time_and_its_schedule_reproduces_the_run(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ticks() -> Iterator[float]:
        now = 0.0
        for lap in itertools.count():
            yield now
            now += 1.0 if lap < 11 else 3.0
            yield now

    clock = ticks()
    config = tiny_run(shards, steps=10_000)
    timed = dataclasses.replace(config, train=dataclasses.replace(config.train, minutes=0.5))
    with monkeypatch.context() as patch:
        patch.setattr(pace, "EVERY", 5)
        patch.setattr(pace, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
        train(timed, tmp_path / "timed")
    plan = checkpoint.load_checkpoint(tmp_path / "timed")[0].state["plan"]
    steps = plan["steps"]
    assert plan["earlier"][0][1] == 30  # the first plan: a step a second
    assert steps < 22
    saved = load_config(tmp_path / "timed" / "config.yaml")
    again = dataclasses.replace(saved.train, schedule_from=str(tmp_path / "timed"))
    train(dataclasses.replace(saved, train=again), tmp_path / "again")
    first, again = weights(tmp_path / "timed", steps), weights(tmp_path / "again", steps)
    assert {name for name in first if not torch.equal(first[name], again[name])} == set()
