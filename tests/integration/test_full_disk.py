"""A full disk costs what had no room, and the run only where that is its last checkpoint."""

import dataclasses
import errno
from pathlib import Path
from typing import Any

import pytest

from majolica.errors import UserError
from majolica.launch.prepare import prepare_run
from majolica.launch.rank import train_rank
from majolica.launch.start import train
from majolica.sampling.pipeline import Pipeline
from majolica.train import network, sample
from majolica.train.watch import lines, summary
from mishaps import disk_full_at, interrupt_in
from ranks import changed
from tiny import tiny_run


def refused(path: Path, content: bytes | str) -> None:
    raise UserError(f"cannot write {path}: No space left on device")


def test_a_full_disk_costs_the_summary_and_the_activation_plan_not_the_run(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny_run(shards, steps=2)
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, activation_gb=0.0016))
    prepare_run(config, tmp_path, resume=False)
    for module in (network, summary):
        monkeypatch.setattr(module, "write_atomic", refused)
    monkeypatch.setattr("majolica.launch.start.prepare_run", lambda config, out, resume: config)
    train(config, tmp_path, resume=True)
    said = "".join(capsys.readouterr())
    for name in ("summary.json", "activation_plan.json"):
        assert f"cannot write {tmp_path / name}: No space left on device" in said
    Pipeline.load(tmp_path)


def test_a_full_disk_costs_the_checkpoint_not_the_run(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    disk_full_at(3, monkeypatch)
    train(tiny_run(shards), tmp_path)
    assert "checkpoint 3 was not saved" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["00000006"]


def test_a_full_disk_at_the_end_is_no_success(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing later makes up for the last checkpoint: finished or interrupted, that is said, and what is left."""
    with monkeypatch.context() as patch:
        disk_full_at(6, patch)
        with pytest.raises(UserError, match=r"step 6, the last, was not saved: .*--resume .* goes on from step 3"):
            train(tiny_run(shards), tmp_path / "run")
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["00000003"]
    train(tiny_run(shards), tmp_path / "run", resume=True)
    Pipeline.load(tmp_path / "run")
    disk_full_at(2, monkeypatch)
    interrupt_in(2, monkeypatch)
    with pytest.raises(
        UserError, match=r"step 2, the last, was not saved: make room .*; then .*--resume .* begins again"
    ):
        train(tiny_run(shards), tmp_path / "other")
    assert "and saved" not in capsys.readouterr().out
    kept = {path.name for path in (tmp_path / "other").iterdir()}
    assert {"config.yaml", "tokenizer.model", "words.json", "log.jsonl"} <= kept


def test_a_full_disk_costs_log_grids_and_summary_never_the_run(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Full but for checkpoints from the start to the end; what is left says so once each."""
    config = changed(tiny_run(shards), sample_every=2, log_every=1)
    prepare_run(config, tmp_path, resume=False)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(lines, "append_whole", full)
    for module in (sample, summary):
        monkeypatch.setattr(module, "write_atomic", refused)
    train_rank(config, tmp_path, resume=False, asked=[])
    printed = capsys.readouterr()
    said = printed.err + printed.out
    assert said.count("log.jsonl cannot be written (No space left on device)") == 1
    assert said.count("a sample grid was not painted") == 1
    assert said.count("summary.json") == 1
    assert (tmp_path / "checkpoints" / "00000006").is_dir() and not (tmp_path / "log.jsonl").exists()
