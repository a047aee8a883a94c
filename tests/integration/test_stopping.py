"""A training of several processes that is asked to stop or killed: it saves, and nothing is left behind."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from majolica.config.io import save_config
from majolica.config.training import TrainConfig
from majolica.run.weights import checkpoints, load_ema
from majolica.sampling.pipeline import Pipeline
from processes import ENVIRONMENT, kill_group, members, wait_for
from ranks import changed
from tiny import tiny_run


def words(*args: object) -> list[str]:
    return [sys.executable, "-m", "majolica", "train", *map(str, args)]


def started(shards: Path, folder: Path, trackers: tuple[Any, ...] = ()) -> subprocess.Popen[str]:
    """An endless training of two processes in `folder`/run, in a process group of its own, when it has begun."""
    config = dataclasses.replace(tiny_run(shards), recipe="nano")
    job = changed(config, steps=100_000, processes=2, batch=4, checkpoint_every=100_000, trackers=trackers)
    save_config(job, folder / "c.yaml")
    said = subprocess.PIPE
    process = subprocess.Popen(
        words(folder / "c.yaml", "--out", folder / "run"),
        env=ENVIRONMENT, stdout=said, stderr=said, text=True, start_new_session=True,
    )  # fmt: skip
    log = folder / "run" / "log.jsonl"
    if not wait_for(lambda: process.poll() is not None or (log.exists() and log.stat().st_size > 0), 180):
        kill_group(process.pid)
        raise AssertionError("the training did not begin")
    return process


def test_ctrl_c_in_a_terminal_saves_and_says_how_to_go_on(shards: Path, tmp_path: Path) -> None:
    """The terminal interrupts every process of the job at once, torchrun's too."""
    process, out = started(shards, tmp_path, TrainConfig().trackers), tmp_path / "run"
    try:
        os.killpg(process.pid, signal.SIGINT)
        printed, errors = process.communicate(timeout=180)
        assert process.returncode == 130, errors
        assert errors.splitlines()[-1] == f"majolica: interrupted; go on with: majolica train --resume {out}"
        [saved] = (out / "checkpoints").iterdir()
        assert f"stopped at step {int(saved.name)} and saved" in printed
        Pipeline.load(out)
    finally:
        kill_group(process.pid)


def test_term_to_the_launcher_alone_saves_and_a_second_training_is_refused(shards: Path, tmp_path: Path) -> None:
    process, out = started(shards, tmp_path), tmp_path / "run"
    try:
        second = subprocess.run(
            words("--resume", out), env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=180
        )
        assert second.returncode == 2
        assert second.stderr.startswith(f"majolica: {out} is in use: process {process.pid} on ")
        process.send_signal(signal.SIGTERM)
        printed, errors = process.communicate(timeout=180)
        assert process.returncode == 130, errors
        assert errors.splitlines()[-1] == f"majolica: interrupted; go on with: majolica train --resume {out}"
        [saved] = checkpoints(out)
        assert f"stopped at step {int(saved.name)} and saved" in printed
        assert load_ema(out) and members(process.pid) == []
    finally:
        kill_group(process.pid)


def test_a_killed_launcher_costs_nothing_and_leaves_nobody(shards: Path, tmp_path: Path) -> None:
    process, out = started(shards, tmp_path), tmp_path / "run"
    try:
        process.kill()
        assert wait_for(lambda: members(process.pid) == [], 180)
        assert load_ema(out) and len(checkpoints(out)) == 1
    finally:
        kill_group(process.pid)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_a_signal_to_one_worker_ends_all(shards: Path, tmp_path: Path, number: signal.Signals) -> None:
    """Asked to stop it saves with the others; killed it cannot, and the others do not wait for it."""
    process, out = started(shards, tmp_path), tmp_path / "run"
    try:
        worker = max(members(process.pid))
        assert worker != process.pid
        os.kill(worker, number)
        _, errors = process.communicate(timeout=180)
        assert "Traceback" not in errors and members(process.pid) == []
        if number == signal.SIGHUP:
            assert process.returncode == 130 and len(checkpoints(out)) == 1
        else:
            assert process.returncode == 2 and "was ended by SIGKILL, most likely for memory" in errors
    finally:
        kill_group(process.pid)
