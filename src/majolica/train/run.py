"""`train`: prepare the run folder, start the processes, train, sum up."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from majolica.config import io
from majolica.config.paths import anchor
from majolica.config.resolve import resolve
from majolica.config.schema import RunConfig
from majolica.data.sources import captions
from majolica.distributed.group import Group, joined, launched, spawn
from majolica.errors import UserError
from majolica.files import write_atomic
from majolica.models.weights import checkpoints
from majolica.sampling.grid import paint_grid
from majolica.sampling.pipeline import Pipeline
from majolica.text.tokenizer import train_tokenizer
from majolica.train import state
from majolica.train.ema import lent
from majolica.train.log import Log
from majolica.train.loop import fit

TOKENIZER_CAPTIONS = 1_000_000
"""Captions that a tokenizer is trained on at most."""


def train(config: RunConfig, out: Path, resume: bool = False) -> None:
    """Train `config` into the run folder `out`, on as many processes as it says.

    Raises UserError for bad data or an unreadable checkpoint, KeyboardInterrupt when asked to stop (after saving).
    """
    if launched():
        work(config, out, resume)
        return
    config = prepare(resolve(config), out, resume)
    try:
        if config.train.processes > 1:
            spawn(config.train.processes, out / "config.yaml", out, resume)
        else:
            work(config, out, resume)
    except UserError:
        if not checkpoints(out):  # nothing to go on from: once it is mended the same command may start again
            for name in ("config.yaml", "tokenizer.model"):
                (out / name).unlink(missing_ok=True)
        raise
    except KeyboardInterrupt:
        if checkpoints(out):  # the processes have said so too, but torchrun had the last word
            raise KeyboardInterrupt(f"go on with: majolica train --resume {out}") from None
        raise


def prepare(config: RunConfig, out: Path, resume: bool) -> RunConfig:
    """Make the run folder: the tokenizer and the configuration that reproduces the run."""
    config = anchor(config)  # other commands may read it from another folder
    out.mkdir(parents=True, exist_ok=True)
    if resume:
        io.save(config, out / "config.yaml")  # with what the command line changed: the processes read it there
        return config
    model = out / "tokenizer.model"
    if config.data.tokenizer:
        try:
            write_atomic(model, Path(config.data.tokenizer).read_bytes())
        except OSError as error:
            raise UserError(f"data.tokenizer {config.data.tokenizer} cannot be read ({error.strerror})") from error
    elif not model.exists():
        lines = (c for c, _ in zip(captions(config.data), range(TOKENIZER_CAPTIONS), strict=False))
        train_tokenizer(lines, model, config.model.text.vocab)
    io.save(config, out / "config.yaml")
    return config


def work(config: RunConfig, out: Path, resume: bool) -> None:
    """One process of the training."""
    with joined(config.train.processes, config.train.threads) as group, stopping() as asked:
        run = state.build(config, out, group)
        log = None
        try:
            if resume:
                state.restore(run, lambda message: print(message, flush=True) if group.first else None)
            log = Log(out, config, run.step) if group.first else None
            finished = fit(run, log, lambda: bool(asked), sample)
        finally:
            run.feed.close()
            if log:
                log.close()
        if group.first:
            summarise(run)
            check_saved(run)
        if not finished:
            if group.first:
                print(f"\nstopped at step {run.step} and saved; go on with: majolica train --resume {out}")
            raise KeyboardInterrupt


@contextmanager
def stopping() -> Iterator[list[int]]:
    """Collect interrupts (Ctrl-C, SIGTERM, SIGUSR1) instead of dying of them; a second Ctrl-C is not waited for."""
    asked: list[int] = []

    def note(number: int, frame: object) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)  # USR1: Slurm, before the time is up
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def sample(run: state.Run) -> None:
    """Paint the same few captions from the averaged weights, to see the training."""
    average = state.ema_by_name(run)
    if not run.group.first:
        return
    text = dataclasses.replace(run.config.model.text, vocab=run.tokenizer.vocab)
    model = dataclasses.replace(run.config.model, text=text)
    config = dataclasses.replace(run.config, model=model)
    prompts = [line for line, _ in zip(captions(config.data), range(16), strict=False)]
    with lent(average, run.model):
        grid = paint_grid(Pipeline(run.model, run.tokenizer, config, run.group.device), prompts)
    folder = run.out / "samples"
    folder.mkdir(exist_ok=True)
    grid.save(folder / f"{run.step:08d}.png")


def check_saved(run: state.Run) -> None:
    """UserError where the last step is in no checkpoint: nothing later makes up for it."""
    steps = [int(folder.name) for folder in checkpoints(run.out)]
    if run.step not in steps:
        then = f"`majolica train --resume {run.out}` goes on from step {steps[0]}" if steps else "begin again"
        raise UserError(f"step {run.step}, the last, was not saved: make room on the disk; then {then}")


def summarise(run: state.Run) -> None:
    """Write summary.json: how long, how much, how large, on what."""
    summary = {
        "step": run.step,
        "steps": run.config.train.steps,
        "train_seconds": round(run.seconds, 1),
        "samples_seen": run.samples,
        "parameters": state.parameters(run.model),
        "processes": run.group.world,
        "machine": machine(run.group),
    }
    write_atomic(run.out / "summary.json", json.dumps(summary, indent=1) + "\n")


def machine(group: Group) -> str:
    """The hardware in a few words."""
    if group.device.type == "cuda":
        return f"{group.world} x {torch.cuda.get_device_name(group.device)}"
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    return f"{name}, {os.cpu_count()} cores, torch {torch.__version__}"
