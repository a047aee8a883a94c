"""One process of a training run: join the others, build or restore the run, train, say what comes next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from majolica.config import io
from majolica.config.resolutions import trained_sizes
from majolica.config.run import RunConfig
from majolica.data.loading.notices import data_notices
from majolica.distributed.environment import has_launcher, is_rank
from majolica.distributed.group import Group, any_rank, broadcast_number, join_group, sum_counts
from majolica.errors import UserError
from majolica.launch.agent import Launcher, watch_torchrun
from majolica.launch.outcome import check_saved, describe_finished, describe_stopped
from majolica.lock import hold_folder
from majolica.run.checkpoint import sweep
from majolica.run.step_plan import begin_plan
from majolica.run.weights import checkpoints
from majolica.train import state
from majolica.train.fitting import check_settled
from majolica.train.loop import fit
from majolica.train.sample import Sampler
from majolica.train.vocabulary import caption_notices
from majolica.train.warm_start import warm_start
from majolica.train.watch.heldout import HeldOut
from majolica.train.watch.log import Log
from majolica.train.watch.summary import write_summary


def train_rank(config: RunConfig, out: Path, resume: bool, asked: list[int], launcher: Launcher | None = None) -> None:
    """One process of the training; it stops at the end of a step when any rank's `asked` holds a signal."""
    check_settled(config)
    gone = watch_torchrun()
    with join_group(config.train.processes, config.train.threads) as group, _hold_on_first_rank(out, resume, group):
        if launcher:
            launcher.joined = True
        run = state.build_run(config, out, group)
        log = None
        try:
            _restore(run, resume)
            if resume and group.first and (has_launcher() or not is_rank()):
                _keep_changes(config, out / "config.yaml")
            begun = run.step
            finished = resume and begun >= run.plan.steps
            if not finished:  # else nothing follows from its data
                log = Log(out, config, begun) if group.first else None
                finished = _fit(run, log, lambda: bool(asked) or gone())
            unreadable = sum_counts(run.unreadable, group)
        finally:
            run.feed.close()
            if log:
                log.close()
        if group.first:
            write_summary(run, unreadable, print)
            check_saved(out, run.step)
            advise = is_rank() and not has_launcher()  # torchrun does not say how to go on
            print(
                describe_finished(run.config, out, run.step, begun)
                if finished
                else describe_stopped(out, run.step, advise),
                flush=True,
            )
        if not finished:
            raise KeyboardInterrupt


def _fit(run: state.Run, log: Log | None, stop: Callable[[], bool]) -> bool:
    """Say what there is to know of the captions and the data, then train; as `loop.fit`."""
    if log:
        for notice in caption_notices(run.tokenizer, run.feed.loader.sets, run.config):
            log.say(notice)
        say_notices(run, log.say)
    return fit(run, log, stop, Sampler(run, log.say if log else lambda message: None), HeldOut(run, log))


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
    if not is_rank() or has_launcher():
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

    if resume and broadcast_number(len(checkpoints(run.out)), run.group):
        state.restore(run, say)
        return
    if resume:
        say(f"{run.out} holds no checkpoint yet: it begins at step 0")
    run.plan = begin_plan(run.config)
    warm_start(run, say)
