"""`train`: hold and prepare the run folder, start the processes, train, say what comes next."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from majolica.config.resolve import resolve
from majolica.config.schema import RunConfig
from majolica.data.sources import captions
from majolica.distributed.group import Group, any_rank, from_first, joined, launched, launched_here
from majolica.distributed.launch import check_room, launch
from majolica.distributed.launcher import Launcher, torchrun_gone
from majolica.errors import UserError
from majolica.models.weights import checkpoints, step_of
from majolica.sampling.grid import paint_grid
from majolica.sampling.pipeline import Pipeline
from majolica.signals import stopping
from majolica.train import state
from majolica.train.checkpoint import sweep
from majolica.train.ema import lent
from majolica.train.lock import held
from majolica.train.log import Log
from majolica.train.loop import fit
from majolica.train.prepare import prepare
from majolica.train.summary import summarise


def train(config: RunConfig, out: Path, resume: bool = False) -> None:
    """Train `config` into the run folder `out`, on as many processes as it says.

    Raises UserError for bad data, an unreadable checkpoint or a folder in which another process trains, and
    KeyboardInterrupt when asked to stop (after saving).
    """
    if launched():
        with stopping() as asked:
            work(config, out, resume, asked)
        return
    config = resolve(config)
    with held(out) as lock:
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
                for name in ("config.yaml", "tokenizer.model"):
                    (out / name).unlink(missing_ok=True)
            raise
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"go on with: {command('train --resume', out)}") from None


def _start(config: RunConfig, out: Path, resume: bool, lock: int) -> None:
    """Train in a prepared folder; the processes get its `lock` too, so that they hold it if this one is killed."""
    if config.train.processes > 1:
        words = [str(out / "config.yaml"), str(out), *(["--resume"] if resume else [])]
        launch(config.train.processes, "majolica.train.worker", words, inherit=[lock])
        return
    with stopping() as asked:
        work(config, out, resume, asked)


def work(config: RunConfig, out: Path, resume: bool, asked: list[int], launcher: Launcher | None = None) -> None:
    """One process of the training; it stops at the end of a step when any rank's `asked` holds a signal."""
    gone = torchrun_gone()
    with joined(config.train.processes, config.train.threads) as group, _held_by_first(out, resume, group):
        if launcher:
            launcher.joined = True
        run = state.build(config, out, group)
        log = None
        try:
            _restore(run, resume)
            log = Log(out, config, run.step) if group.first else None
            begun = run.step
            finished = fit(run, log, lambda: bool(asked) or gone(), sample)
        finally:
            run.feed.close()
            if log:
                log.close()
        if group.first:
            summarise(run, print)
            check_saved(run)
            print(_outcome(run, finished, begun), flush=True)
        if not finished:
            raise KeyboardInterrupt


@contextmanager
def _held_by_first(out: Path, resume: bool, group: Group) -> Iterator[None]:
    """Hold the run folder on the first rank, unless the launcher does; what it refuses, all ranks refuse."""
    if not launched() or launched_here():
        yield
        return
    holding, refusal = held(out), ""
    if group.first:
        try:
            holding.__enter__()
            sweep(out)
            if checkpoints(out) and not resume:
                refusal = f"{out} already holds a run: start the ranks with --resume, or choose another folder"
        except UserError as error:
            refusal = str(error)
    if any_rank(bool(refusal), group):
        raise UserError(refusal or "the first rank cannot train here; its own message says why")
    try:
        yield
    finally:
        if group.first:
            holding.__exit__(None, None, None)


def _restore(run: state.Run, resume: bool) -> None:
    """Go on from the newest whole checkpoint, or from the beginning where the run was stopped before its first."""
    if not resume:
        return
    if from_first(len(checkpoints(run.out)), run.group):
        state.restore(run, lambda message: print(message, flush=True) if run.group.first else None)
    elif run.group.first:
        print(f"{run.out} holds no checkpoint yet: it begins at step 0", flush=True)


def _outcome(run: state.Run, finished: bool, begun: int) -> str:
    """What has become of the run, and what to do next."""
    resume = command("train --resume", run.out)
    longer = f"train longer with: {resume} --train.steps {2 * run.step}"
    if not finished:
        return f"\nstopped at step {run.step} and saved; go on with: {resume}"
    if begun == run.step:
        return f"{run.out} is finished at step {run.step}, nothing is left to train; {longer}"
    paint = command("generate 'a red apple' --run", run.out)
    lines = [f"trained to step {run.step}; paint with: {paint}"]
    if (Path(run.config.data.shards).parent / "names.json").exists():  # what evaluation asks about
        lines.append(f"evaluate with: {command('eval', run.out)}")
    return "\n".join([*lines, longer])


def command(words: str, out: Path) -> str:
    """A command of this program on the run folder, to copy into a shell."""
    return f"majolica {words} {shlex.quote(str(out))}"


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
    steps = [step_of(folder.name) for folder in checkpoints(run.out)]
    if run.step not in steps:
        resume = f"`{command('train --resume', run.out)}` goes on from step {steps[0] if steps else 0}"
        then = resume if steps else "begin again with the same command"
        raise UserError(f"step {run.step}, the last, was not saved: make room on the disk; then {then}")
