"""Start a training run: hold its folder, prepare it, train in this process or in several."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from majolica.config import io
from majolica.config.checks import resolve
from majolica.config.run import RunConfig
from majolica.distributed.environment import launched
from majolica.errors import UserError
from majolica.launch.prepare import prepare
from majolica.launch.rank import work
from majolica.launch.spawn import check_room, launch
from majolica.lock import hold_folder
from majolica.run.advice import spell_command
from majolica.run.checkpoint import sweep
from majolica.run.weights import checkpoints
from majolica.signals import collect_signals
from majolica.text.words import NAME as WORDS


def train(config: RunConfig, out: Path, resume: bool = False) -> None:
    """Train `config` into the run folder `out`, on as many processes as it says.

    Raises UserError for bad data, an unreadable checkpoint or a folder in which another process trains, and
    KeyboardInterrupt when asked to stop (after saving).
    """
    if launched():
        with collect_signals() as asked:
            work(config, out, resume, asked)
        return
    config = resolve(config)
    with hold_folder(out) as lock:
        if not resume and (out / "config.yaml").exists():
            raise UserError(f"{out} already holds a run: go on with `--resume {out}`, or choose another --out")
        if config.train.processes > 1:
            check_room(config.train.processes, torch.cuda.device_count())
        sweep(out)
        config = prepare(config, out, resume)
        try:
            _start(config, out, resume, lock)
        except UserError:
            if not resume and not checkpoints(out):  # once it is mended the same command may start again
                for name in ("config.yaml", "tokenizer.model", WORDS):
                    (out / name).unlink(missing_ok=True)
            raise
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"go on with: {spell_command('train --resume', out)}") from None


def _start(config: RunConfig, out: Path, resume: bool, lock: int) -> None:
    """Train in a prepared folder; the processes get its `lock` too, so that they hold it if this one is killed."""
    if config.train.processes > 1:
        with tempfile.TemporaryDirectory(prefix="majolica-") as folder:
            file = Path(folder) / "config.yaml"  # that of the run takes it when the checkpoint has been read
            io.save(config, file)
            words = [str(file), str(out), *(["--resume"] if resume else [])]
            launch(config.train.processes, "majolica.launch.worker", words, inherit=[lock])
        return
    with collect_signals() as asked:
        work(config, out, resume, asked)
