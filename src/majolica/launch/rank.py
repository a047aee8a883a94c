"""One process of a training run: join the others, build or restore the run, train, say what comes next."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from majolica.config import io
from majolica.config.resolutions import trained_sizes
from majolica.config.run import RunConfig
from majolica.data.loading.notices import data_notices
from majolica.distributed.environment import has_launcher, launched
from majolica.distributed.group import Group, any_rank, from_first, joined
from majolica.errors import UserError
from majolica.launch.agent import Launcher, watch_torchrun
from majolica.lock import hold_folder
from majolica.run.advice import spell_command
from majolica.run.checkpoint import sweep
from majolica.run.weights import checkpoints, step_of
from majolica.train import state
from majolica.train.fitting import check_settled
from majolica.train.loop import fit
from majolica.train.prompts import PROMPTS, read_prompts
from majolica.train.sample import Sampler
from majolica.train.vocabulary import caption_notices
from majolica.train.warm_start import warm_start
from majolica.train.watch.heldout import HeldOut
from majolica.train.watch.log import Log
from majolica.train.watch.summary import summarise


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
            finished = fit(run, log, lambda: bool(asked) or gone(), sample, HeldOut(run, log))
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
    """Go on from the newest whole checkpoint, or begin at step 0 where there is none yet."""

    def say(message: str) -> None:
        if run.group.first:
            print(message, flush=True)

    if resume and from_first(len(checkpoints(run.out)), run.group):
        state.restore(run, say)
        return
    if resume:
        say(f"{run.out} holds no checkpoint yet: it begins at step 0")
    warm_start(run, say)


def _outcome(run: state.Run, finished: bool, begun: int) -> str:
    """What has become of the run, and what to do next."""
    resume = spell_command("train --resume", run.out)
    longer = f"train longer with: {resume} --train.steps {2 * run.step}"
    if not finished:
        return f"\nstopped at step {run.step} and saved; go on with: {resume}"
    if begun == run.step:
        return f"{run.out} is finished at step {run.step}, nothing is left to train; {longer}"
    prompt = next(iter(read_prompts(run.out / PROMPTS)), "a red apple")
    paint = spell_command(f"generate {shlex.quote(prompt)} --run", run.out)
    lines = [f"trained to step {run.step}; paint with: {paint}"]
    if (Path(run.config.data.shards).parent / "names.json").exists():  # what evaluation asks about
        lines.append(f"evaluate with: {spell_command('eval', run.out)}")
    return "\n".join([*lines, longer])


def check_saved(run: state.Run) -> None:
    """UserError where the last step is in no checkpoint: nothing later makes up for it."""
    steps = [step_of(folder.name) for folder in checkpoints(run.out)]
    if run.step not in steps:
        resume = f"`{spell_command('train --resume', run.out)}` goes on from step {steps[0] if steps else 0}"
        then = resume if steps else "begin again with the same command"
        raise UserError(f"step {run.step}, the last, was not saved: make room on the disk; then {then}")
