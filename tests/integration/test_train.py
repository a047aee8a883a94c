"""Training for real, in small: it learns, resumes bit for bit, survives what goes wrong."""

import dataclasses
import itertools
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from majolica.config import io
from majolica.errors import UserError
from majolica.sampling.pipeline import Pipeline
from majolica.train import checkpoint, loop, pace
from majolica.train.run import train
from tiny import tiny_run as tiny


def weights(run: Path, step: int) -> dict[str, torch.Tensor]:
    folder = run / "checkpoints" / f"{step:08d}"
    return {
        f"{path.stem}.{name}": value.clone()
        for path in folder.glob("*.safetensors")
        for name, value in load_file(path).items()
    }


def interrupt_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C in the middle of optimiser step `steps`."""
    real = loop.optimiser_step
    count = [0]

    def step(run):  # type: ignore[no-untyped-def]
        count[0] += 1
        if count[0] == steps:
            signal.raise_signal(signal.SIGINT)
        return real(run)

    monkeypatch.setattr(loop, "optimiser_step", step)


def test_resume_equals_the_uninterrupted_run(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny(shards)
    train(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupt_after(4, patch)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "parts")
    assert f"majolica train --resume {tmp_path / 'parts'}" in capsys.readouterr().out
    train(config, tmp_path / "parts", resume=True)
    whole, parts = weights(tmp_path / "whole", 6), weights(tmp_path / "parts", 6)
    assert whole.keys() == parts.keys()
    assert {name for name in whole if not torch.equal(whole[name], parts[name])} == set()
    steps = [json.loads(line)["step"] for line in (tmp_path / "parts" / "log.jsonl").read_text().splitlines()]
    assert steps == [2, 4, 6]


def test_a_damaged_checkpoint_is_passed_over(shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny(shards), tmp_path)
    whole = weights(tmp_path, 6)
    victim = tmp_path / "checkpoints" / "00000006" / "ema.safetensors"
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(bytes(data))
    train(tiny(shards), tmp_path, resume=True)  # from step 3, to the same end
    assert "has changed since it was written" in capsys.readouterr().out
    again = weights(tmp_path, 6)
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_no_whole_checkpoint_is_one_clear_line(shards: Path, tmp_path: Path) -> None:
    train(tiny(shards, steps=3), tmp_path)
    (tmp_path / "checkpoints" / "00000003" / "model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(UserError, match="no checkpoint of"):
        Pipeline.load(tmp_path)


def test_a_full_disk_costs_the_checkpoint_not_the_run(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = checkpoint.save_file

    def full(tensors, path):  # type: ignore[no-untyped-def]
        if ".00000006." in str(path):
            raise OSError(28, "No space left on device")
        real(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", full)
    train(tiny(shards), tmp_path)
    assert "checkpoint 6 was not saved" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["00000003"]
    Pipeline.load(tmp_path)


def test_two_processes_train_one_model(shards: Path, tmp_path: Path) -> None:
    config = tiny(shards, steps=3)
    two = dataclasses.replace(config, train=dataclasses.replace(config.train, processes=2, batch=4))
    train(two, tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["processes"] == 2 and summary["samples_seen"] == 3 * 2 * 2 * 4
    images = Pipeline.load(tmp_path).paint(["a fox", "an owl"], steps=2)
    assert images.shape == (2, 3, 16, 16)


def test_minutes_become_steps(shards: Path, tmp_path: Path) -> None:
    config = tiny(shards, steps=10_000)
    timed = dataclasses.replace(config, train=dataclasses.replace(config.train, minutes=0.02))
    train(timed, tmp_path)
    saved = (tmp_path / "config.yaml").read_text()
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert f"steps: {summary['steps']}" in saved and summary["step"] == summary["steps"] < 10_000


def test_a_machine_that_slows_down_still_ends_in_time_and_the_saved_configuration_reproduces_the_run(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ticks() -> Iterator[float]:
        now = 0.0
        for lap in itertools.count():
            yield now
            now += 1.0 if lap < 11 else 3.0
            yield now

    clock = ticks()
    config = tiny(shards, steps=10_000)
    timed = dataclasses.replace(config, train=dataclasses.replace(config.train, minutes=0.5))
    with monkeypatch.context() as patch:
        patch.setattr(pace, "EVERY", 5)
        patch.setattr(pace, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
        train(timed, tmp_path / "timed")
    saved = io.load(tmp_path / "timed" / "config.yaml")
    steps = saved.train.steps
    assert saved.train.replanned[0][1] == 30  # the first plan: a step a second
    assert steps < 22 and saved.train.minutes == 0
    train(saved, tmp_path / "again")
    first, again = weights(tmp_path / "timed", steps), weights(tmp_path / "again", steps)
    assert {name for name in first if not torch.equal(first[name], again[name])} == set()


def test_it_learns(shards: Path, tmp_path: Path) -> None:
    config = tiny(shards, steps=60)
    quick = dataclasses.replace(config, train=dataclasses.replace(config.train, log_every=5, checkpoint_every=100))
    train(quick, tmp_path)
    flow = [json.loads(line)["flow"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert flow[-1] < 0.7 * flow[0]
