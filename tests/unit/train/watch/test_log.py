"""The log of a run: valid JSON whatever is measured, and never the end of a training."""

from __future__ import annotations

import errno
import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from majolica.config.run import RunConfig
from majolica.config.training import TrainConfig
from majolica.files import append_whole
from majolica.train.watch import lines, trackers
from majolica.train.watch.lines import Lines, cut_back, drop_after
from majolica.train.watch.log import Log

PACE = {"samples_per_s": 10.0, "seconds_per_step": 0.5}
CONFIG = RunConfig(train=TrainConfig(trackers=()))


def full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def parsed(path: Path) -> list[dict[str, Any]]:
    """Every line of a log, by a parser that knows no NaN."""
    return [json.loads(line, parse_constant=pytest.fail) for line in path.read_text().splitlines()]


def test_what_is_not_finite_is_left_out_and_the_line_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(tmp_path, CONFIG, 0)
    log.record(1, 4, {**PACE, "flow": float("nan"), "contrastive": float("inf"), "loss": 1.5})
    log.record(2, 4, {**PACE, "flow": 0.25, "contrastive": 2.0, "skipped_steps": 1})
    log.close()
    assert parsed(tmp_path / "log.jsonl") == [
        {"step": 1, **PACE, "loss": 1.5},
        {"step": 2, **PACE, "flow": 0.25, "contrastive": 2.0, "skipped_steps": 1},
    ]
    first, second = capsys.readouterr().err.splitlines()
    assert first == "step 1/4  flow -  contrastive -  10 samples/s  0:02 left"
    assert second == "step 2/4  flow 0.2500  contrastive 2.000  10 samples/s  0:01 left  1 skipped"


def test_a_full_disk_is_said_once_and_no_line_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = Log(tmp_path, CONFIG, 0)
    log.record(1, 9, PACE)
    with monkeypatch.context() as patch:
        patch.setattr(lines, "append_whole", full)
        for step in (2, 3):
            log.record(step, 9, PACE)
    log.record(4, 9, PACE)
    log.close()
    assert [line["step"] for line in parsed(tmp_path / "log.jsonl")] == [1, 2, 3, 4]
    said = capsys.readouterr().err
    assert said.count("No space left on device") == 1 and "with the 2 lines that waited" in said


def test_lines_that_wait_are_written_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = Log(tmp_path, CONFIG, 0)
    with monkeypatch.context() as patch:
        patch.setattr(lines, "append_whole", full)
        log.record(1, 9, PACE)
        log.record(2, 9, PACE)
    log.close()
    assert [line["step"] for line in parsed(tmp_path / "log.jsonl")] == [1, 2]
    assert "is written again, with the 2 lines that waited" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_that_is_really_full(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    log = Lines(tmp_path / "log.jsonl", said.append)
    log.write("{}")
    log.write("{}")
    assert len(said) == 1 and "No space left on device" in said[0] and len(log.waiting) == 2


def test_half_a_line_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"whole\n")

    class Small(io.FileIO):
        """Takes three bytes, and then no more."""

        def write(self, data: Any) -> int:
            return super().write(data[:3]) if len(data) > 6 else full()  # type: ignore[func-returns-value]

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda self, mode, buffering: Small(self, mode))
        with pytest.raises(OSError, match="No space"):
            append_whole(path, b"next one\n")
    assert path.read_bytes() == b"whole\n"


def test_a_log_is_cut_back_to_the_step_of_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 2}\n{"step": 4}\n{"step": 6}\n[]\n\xff{"step"')
    drop_after(path, 4)
    assert path.read_bytes() == b'{"step": 2}\n{"step": 4}\n'
    path.write_bytes(b'{"step": 2}\nhalf a li\n{"step": 4}\n')
    drop_after(path, 4)
    assert path.read_bytes() == b'{"step": 2}\n{"step": 4}\n'


def test_a_log_that_cannot_be_cut_back_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "log.jsonl").mkdir()
    cut_back(tmp_path / "log.jsonl", 3, said.append)
    assert len(said) == 1 and "keeps lines after step 3" in said[0]


def test_the_time_left_keeps_to_the_minutes_before_the_first_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = replace(CONFIG.train, minutes=2.0, steps=100_000)
    log = Log(tmp_path, replace(CONFIG, train=train, optim=replace(CONFIG.optim, warmup=50)), 0)
    log.record(10, 100_000, {**PACE, "seconds": 5.0})
    log.close()
    assert capsys.readouterr().err.endswith("  1:55 left\n")


def test_nobody_who_reads_is_no_reason_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(tmp_path, CONFIG, 0)
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(write=full, flush=full))
    log.record(1, 4, PACE)
    log.say("something")
    log.close()
    assert len(parsed(tmp_path / "log.jsonl")) == 1


@pytest.mark.parametrize("refusing", ["pathlib.Path.write_bytes", "torch.utils.tensorboard.SummaryWriter.add_scalar"])
def test_tensorboard_goes_on_when_there_is_room_again(
    refusing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    config = RunConfig(train=TrainConfig(trackers=("tensorboard",)))
    told = trackers.open_trackers(tmp_path, config, 0, said.append)
    [board] = told.trackers.values()
    assert isinstance(board, trackers.TensorBoard)
    with monkeypatch.context() as patch:
        patch.setattr(refusing, full)
        told(1, {"loss": 1.0})
        told(2, {"loss": 1.0})
    assert not list((tmp_path / "tensorboard").glob(".room"))
    told(3, {"loss": 0.5})
    told.close()
    assert len(said) == 1 and "No space left on device" in said[0]
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == [3]
