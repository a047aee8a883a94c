"""Start a training run: lock its folder, prepare it, and train in this process or in several."""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch

from majolica.config.checks import check_config
from majolica.config.io import save_config
from majolica.config.run import RunConfig
from majolica.distributed.environment import is_rank
from majolica.errors import UserError
from majolica.launch.outcome import describe_finished
from majolica.launch.prepare import prepare_run
from majolica.launch.rank import train_rank
from majolica.launch.spawn import check_room, launch
from majolica.launch.undo import undo_failed_start
from majolica.lock import hold_folder
from majolica.run.advice import spell_command
from majolica.run.checkpoint import sweep
from majolica.run.resume import finished_step
from majolica.scratch import ScratchFolder
from majolica.signals import collect_signals
from majolica.train.fitting import check_settled


def train(config: RunConfig, out: Path, resume: bool = False) -> None:
    """Train `config` into the run folder `out`, on `config.train.processes` processes.

    Raises UserError for bad data, an unreadable checkpoint, a resume that would change an option that
    a run keeps, or a folder in which another process trains. Raises KeyboardInterrupt if the run was
    asked to stop, after it has saved. `launch.undo` cleans up after a new run that fails.
    """
    if is_rank():
        with collect_signals() as asked:
            train_rank(config, out, resume, asked)
        return
    config = check_config(config)
    with hold_folder(out) as lock:
        if not resume and (out / "config.yaml").exists():
            raise UserError(f"{out} already holds a run: go on with `--resume {out}`, or choose another --out")
        sweep(out)
        if resume and (step := finished_step(check_settled(config), out)) is not None:
            print(describe_finished(config, out, step, begun=step), flush=True)
            return
        if config.train.processes > 1:
            check_room(config.train.processes, torch.cuda.device_count())
        with contextlib.nullcontext() if resume else undo_failed_start(out):
            config = prepare_run(config, out, resume)
            try:
                _start(config, out, resume, lock)
            except KeyboardInterrupt:
                raise KeyboardInterrupt(f"go on with: {spell_command('train --resume', out)}") from None


def _start(config: RunConfig, out: Path, resume: bool, lock: int) -> None:
    """Train in a prepared folder.

    Further processes inherit the descriptor `lock`, so that they still hold the folder if this
    process is killed.
    """
    if config.train.processes > 1:
        with ScratchFolder("majolica-train-") as scratch:
            # The run's own config.yaml is only overwritten once the checkpoint has been read.
            file = scratch.path / "config.yaml"
            save_config(config, file)
            arguments = [str(file), str(out), *(["--resume"] if resume else [])]
            launch(config.train.processes, "majolica.launch.worker", arguments, inherit=[lock, scratch.lock])
        return
    with collect_signals() as asked:
        train_rank(config, out, resume, asked)
