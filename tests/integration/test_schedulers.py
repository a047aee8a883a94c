"""A scheduler's signal: all ranks stop at one step and save, and a resumed run reaches the same weights."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from majolica.launch.prepare import prepare_run
from majolica.launch.start import train
from majolica.signals import collect_signals
from rank_runs import GLOBAL_BATCH, config_for, different, saved, trained
from ranks import changed, on_ranks


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_schedulers_signals_are_heard_and_forgotten(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with collect_signals() as asked:
        signal.raise_signal(number)
    assert asked == [number] and signal.getsignal(number) is before


def test_sigterm_under_torchrun_saves_and_resume_reaches_the_same_weights(shards: Path, tmp_path: Path) -> None:
    """The signal reaches torchrun alone, as from Kubernetes; the ranks agree on the step at which they stop."""
    config = config_for(shards, 2, steps=40, log_every=1, checkpoint_every=1000, shard_optimizer=True)
    prepare_run(config, tmp_path / "parts", resume=False)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "majolica.launch.worker", str(tmp_path / "parts" / "config.yaml"), str(tmp_path / "parts")]
    worker = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    log, end = tmp_path / "parts" / "log.jsonl", time.monotonic() + 60
    while not (log.exists() and log.read_text().count("\n") >= 3) and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(worker.pid, signal.SIGTERM)
    out, _ = worker.communicate(timeout=60)
    assert worker.returncode != 0 and "and saved; go on with" in out
    [folder] = (tmp_path / "parts" / "checkpoints").iterdir()
    steps = int(folder.name)
    assert 3 <= steps < 40 and steps == len(log.read_text().splitlines())
    assert json.loads((folder / "state.json").read_text())["samples"] == steps * 2 * GLOBAL_BATCH
    rest = changed(config, steps=40)
    on_ranks(2, trained, tmp_path / "ranks", rest, tmp_path / "parts", 40 - steps, True)
    train(config, tmp_path / "whole")
    assert different(saved(tmp_path / "parts"), saved(tmp_path / "whole")) == set()


@pytest.mark.slow
def test_sigusr1_to_one_rank_stops_all_at_one_step_when_a_scheduler_starts_them(shards: Path, tmp_path: Path) -> None:
    """As in examples/slurm_64gpu.sbatch: no torchrun, the rank in the environment, 130 means saved."""
    config = config_for(shards, 2, steps=4000, log_every=1, checkpoint_every=10_000)
    prepare_run(config, tmp_path, resume=False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    command = [sys.executable, "-m", "majolica.launch.worker", str(tmp_path / "config.yaml"), str(tmp_path)]
    workers = []
    for rank in "01":
        own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", **meeting}
        workers.append(subprocess.Popen(command, env=os.environ | own, stderr=subprocess.DEVNULL))
    log, end = tmp_path / "log.jsonl", time.monotonic() + 60
    while not (log.exists() and log.read_text().count("\n") >= 3) and time.monotonic() < end:
        time.sleep(0.01)
    workers[1].send_signal(signal.SIGUSR1)
    assert [worker.wait(60) for worker in workers] == [130, 130]
    [folder] = (tmp_path / "checkpoints").iterdir()
    assert int(folder.name) == len(log.read_text().splitlines()) < 4000
