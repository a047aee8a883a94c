"""`train`: hold and prepare the run folder, start the processes, train, say what comes next."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch

from majolica.config import io
from majolica.config.resolve import resolve
from majolica.config.schema import RunConfig
from majolica.config.sizes import trained_sizes
from majolica.data.notices import data_notices
from majolica.distributed.group import Group, any_rank, from_first, has_launcher, joined, launched
from majolica.distributed.launch import check_room, launch
from majolica.distributed.launcher import Launcher, watch_torchrun
from majolica.errors import UserError
from majolica.lock import hold_folder
from majolica.models.weights import checkpoints, step_of
from majolica.signals import collect_signals
from majolica.text.words import NAME as WORDS
from majolica.train import state
from majolica.train.checkpoint import sweep
from majolica.train.fitting import check_settled
from majolica.train.log import Log
from majolica.train.loop import fit
from majolica.train.prepare import prepare
from majolica.train.prompts import PROMPTS, read_prompts
from majolica.train.sample import Sampler
from majolica.train.summary import summarise
from majolica.train.vocabulary import caption_notices


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
            raise KeyboardInterrupt(f"go on with: {command('train --resume', out)}") from None


def _start(config: RunConfig, out: Path, resume: bool, lock: int) -> None:
    """Train in a prepared folder; the processes get its `lock` too, so that they hold it if this one is killed."""
    if config.train.processes > 1:
        with tempfile.TemporaryDirectory(prefix="majolica-") as folder:
            file = Path(folder) / "config.yaml"  # that of the run takes it when the checkpoint has been read
            io.save(config, file)
            words = [str(file), str(out), *(["--resume"] if resume else [])]
            launch(config.train.processes, "majolica.train.worker", words, inherit=[lock])
        return
    with collect_signals() as asked:
        work(config, out, resume, asked)


def work(config: RunConfig, out: Path, resume: bool, asked: list[int], launcher: Launcher | None = None) -> None:
    """One process of the training; it stops at the end of a step when any rank's `asked` holds a signal."""
    check_settled(config)
    gone = watch_torchrun()
    with joined(config.train.processes, config.train.threads) as group, _hold_on_first_rank(out, resume, group):
        if launcher:
            launcher.joined = True
        run = state.build(config, out, group)
        log = None
        try:
            _restore(run, resume)
            if resume and group.first and (has_launcher() or not launched()):
                _keep_changes(config, out / "config.yaml")
            log = Log(out, config, run.step) if group.first else None
            if log:
                for notice in caption_notices(run.tokenizer, run.feed.loader.sets, config):
                    log.say(notice)
                say_notices(run, log.say)
            begun = run.step
            sample = Sampler(run, log.say if log else lambda message: None)
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


def _keep_changes(config: RunConfig, saved: Path) -> None:
    """Save what a resume has changed; not before its checkpoint is read, for a refused change must leave no trace."""
    if io.load(saved) != config:
        io.save(config, saved)


def say_notices(run: state.Run, say: Callable[[str], None]) -> None:
    """What the person should know of the data before training begins."""
    side, *larger = trained_sizes(run.config)
    large = (larger[0], larger[0]) if larger else None
    for line in data_notices(run.feed.loader.sets, run.config.data, (side, side), large):
        say(line)


@contextmanager
def _hold_on_first_rank(out: Path, resume: bool, group: Group) -> Iterator[None]:
    """Hold the run folder on the first rank, unless the launcher does; what it refuses, all ranks refuse."""
    if not launched() or has_launcher():
        yield
        return
    refusal = ""
    with ExitStack() as stack:
        if group.first:
            try:
                stack.enter_context(hold_folder(out))
                sweep(out)
                if checkpoints(out) and not resume:
                    refusal = f"{out} already holds a run: start the ranks with --resume, or choose another folder"
            except UserError as error:
                refusal = str(error)
        if any_rank(bool(refusal), group):
            raise UserError(refusal or "the first rank cannot train here; its own message says why")
        yield


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
    prompt = next(iter(read_prompts(run.out / PROMPTS)), "a red apple")
    paint = command(f"generate {shlex.quote(prompt)} --run", run.out)
    lines = [f"trained to step {run.step}; paint with: {paint}"]
    if (Path(run.config.data.shards).parent / "names.json").exists():  # what evaluation asks about
        lines.append(f"evaluate with: {command('eval', run.out)}")
    return "\n".join([*lines, longer])


def command(words: str, out: Path) -> str:
    """A command of this program on the run folder, to copy into a shell."""
    return f"majolica {words} {shlex.quote(str(out))}"


def check_saved(run: state.Run) -> None:
    """UserError where the last step is in no checkpoint: nothing later makes up for it."""
    steps = [step_of(folder.name) for folder in checkpoints(run.out)]
    if run.step not in steps:
        resume = f"`{command('train --resume', run.out)}` goes on from step {steps[0] if steps else 0}"
        then = resume if steps else "begin again with the same command"
        raise UserError(f"step {run.step}, the last, was not saved: make room on the disk; then {then}")
