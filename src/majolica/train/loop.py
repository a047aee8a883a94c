"""The training loop."""

from __future__ import annotations

from collections.abc import Callable

from majolica.config.logged import LEARNING_RATE, SAMPLES, SAMPLES_PER_SECOND
from majolica.distributed.group import any_rank, device_name
from majolica.train.optim.schedule import describe_long_warmup
from majolica.train.state import Run, save
from majolica.train.step import check_skips, describe_skips, optimiser_step
from majolica.train.watch.log import Log
from majolica.train.watch.pace import Pace
from majolica.train.watch.profile import profile_steps
from majolica.train.watch.report import ideal_seconds, memory_gb, scalars_by_name, straggler

Stop = Callable[[], bool]
SideTask = Callable[[Run], None]
"""Work between two steps that changes nothing in the run: sample grids, held-out losses, evaluation."""


def fit(run: Run, log: Log | None, stop: Stop, sample: SideTask, measure: SideTask, evaluate: SideTask) -> bool:
    """Train to the last step and save; return False if `stop` ended the training earlier."""
    say = log.say if log else lambda message: None
    pace = Pace(run)
    ideal = ideal_seconds(run.config, device_name(run.group)) if log else None
    with profile_steps(run.config.train, run.out, run.group, say) as note_step:
        while run.step < run.plan.steps and not any_rank(stop(), run.group):
            losses, rate = optimiser_step(run)
            run.tally.add(run.step, losses)
            pace.lap()
            note_step()
            if run.plan.is_due(run.step, run.config.train.log_every):
                report(run, log, rate, pace, ideal)
                check_skips(run)
            if pace.plan_due():
                pace.plan()
            if run.plan.is_due(run.step, run.config.train.checkpoint_every):
                save(run, say)
            if run.plan.is_due(run.step, run.config.train.sample_every):
                sample(run)
            if run.plan.is_due(run.step, run.config.train.heldout_every):
                measure(run)
            if any(run.plan.is_due(run.step, every) for every in run.config.train.evaluation_cadences):
                evaluate(run)
            pace.resume()
    pace.pause()
    if run.saved != run.step:
        save(run, say)
    return run.step >= run.plan.steps


def report(run: Run, log: Log | None, rate: float, pace: Pace, ideal: float | None) -> None:
    """Average the losses since the last report over steps and ranks, and log them.

    `rate` is the learning rate, `ideal` the seconds per step at peak (`ideal_seconds`) for the MFU.
    """
    steps = len(run.tally.steps)
    own = {"data_wait": run.feed.reset() / steps, "busy": run.busy.reset() / steps}
    sums = run.tally.sum_up(run.group, own)
    run.tally.clear()
    seconds, sent_bytes = pace.reset(), run.traffic.reset()
    if log is None:
        return
    waits_R, busy_R = sums.own_RV.T.tolist()
    rows = run.config.train.batch * run.config.train.accumulate * run.group.world
    skipped_steps = int(run.skipped_steps)
    if sums.skipped:
        log.say(describe_skips(sums.skipped, skipped_steps))
    if run.step <= run.config.train.log_every and (warning := describe_long_warmup(run.config, seconds)):
        log.say(warning)
    values = scalars_by_name({name: x.mean for name, x in sums.losses.items()}) | {
        "skipped_steps": skipped_steps,
        "skipped_in_a_row": int(run.skipped),
        "losses_left_out": sums.left_out,
        LEARNING_RATE: rate,
        "logit_scale": run.model.logit_scale.exp().item(),
        "logit_bias": run.model.logit_bias.item(),
        SAMPLES: run.samples,
        "seconds": round(run.seconds, 3),
        "seconds_per_step": seconds,
        SAMPLES_PER_SECOND: rows / seconds,
        "data_wait": max(waits_R),
        "memory_gb": memory_gb(run.group),
        "sent_mb": sent_bytes / steps / 1e6,
    }
    log.record(run.step, run.plan.steps, values | straggler(busy_R) | ({"mfu": ideal / seconds} if ideal else {}))
