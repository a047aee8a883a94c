"""One process (rank) of a training run.

It joins the other ranks, builds or restores the run, trains, and prints which command comes next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from majolica.config.io import load_config, save_config
from majolica.config.run import RunConfig
from majolica.distributed.environment import has_launcher, is_rank
from majolica.distributed.group import Group, any_rank, broadcast_number, join_group, sum_counts
from majolica.errors import UserError
from majolica.launch.agent import Launcher, watch_torchrun
from majolica.launch.evaluations import Evaluations
from majolica.launch.notices import list_notices
from majolica.launch.outcome import check_saved, describe_finished, describe_stopped
from majolica.lock import hold_folder
from majolica.run.checkpoint import sweep
from majolica.run.step_plan import begin_plan
from majolica.run.weights import checkpoints
from majolica.train import state
from majolica.train.fitting import check_settled
from majolica.train.loop import fit
from majolica.train.sample import Sampler
from majolica.train.warm_start import warm_start
from majolica.train.watch.heldout import HeldOut
from majolica.train.watch.log import Log
from majolica.train.watch.summary import write_summary


def train_rank(config: RunConfig, out: Path, resume: bool, asked: list[int], launcher: Launcher | None = None) -> None:
    """Run one process of the training.

    It stops at the end of a step if `asked` holds a signal on any rank, and then raises
    KeyboardInterrupt.
    """
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
            if not finished:  # a finished run reads no data, so no log or notices are needed
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
            advise = is_rank() and not has_launcher()  # otherwise `launch.start` prints this command
            print(
                describe_finished(run.config, out, run.step, begun)
                if finished
                else describe_stopped(out, run.step, advise),
                flush=True,
            )
        if not finished:
            raise KeyboardInterrupt


def _fit(run: state.Run, log: Log | None, stop: Callable[[], bool]) -> bool:
    """Print notices about the captions and the data, then train.

    Returns what `loop.fit` returns: whether the run has reached its last step.
    """
    if log:
        for notice in list_notices(run.config, run.feed.loader, run.tokenizer):
            log.say(notice)
    sampler = Sampler(run, log.say if log else lambda message: None)
    return fit(run, log, stop, sampler, HeldOut(run, log), Evaluations(run, log, stop))


def _keep_changes(config: RunConfig, saved: Path) -> None:
    """Save the configuration if a resume has changed it.

    This happens after the checkpoint has been read, because a change that is refused must not be
    saved.
    """
    if load_config(saved) != config:
        save_config(config, saved)


@contextmanager
def _hold_on_first_rank(out: Path, resume: bool, group: Group) -> Iterator[None]:
    """Lock the run folder on the first rank, unless `launch.start` has locked it already.

    Raises UserError on all ranks if the first rank cannot train in this folder.
    """
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
    """Restore the newest whole checkpoint; without one, or without `resume`, begin at step 0."""

    def say(message: str) -> None:
        if run.group.first:
            print(message, flush=True)

    if resume and broadcast_number(len(checkpoints(run.out)), run.group):
        state.restore(run, say)
        check_same_step(run)
        return
    if resume:
        say(f"{run.out} holds no checkpoint yet: it begins at step 0")
    run.plan = begin_plan(run.config)
    warm_start(run, say)


def check_same_step(run: state.Run) -> None:
    """Raise UserError, on every rank, if not all ranks go on from the checkpoint of the same step.

    Each rank reads the folder itself, and a machine may still see the files as they were some seconds ago. Every rank
    must call it.
    """
    first = broadcast_number(run.step, run.group)
    if any_rank(run.step != first, run.group):
        raise UserError(
            f"the first rank goes on from step {first}, and another one found another newest checkpoint in {run.out}:"
            " start the ranks again once every machine sees the same files"
        )
