"""The training loop: step, and then whatever is due."""

from __future__ import annotations

from collections.abc import Callable

import torch

from majolica.distributed.group import any_rank, mean_over_ranks
from majolica.train.log import Log
from majolica.train.pace import Watch
from majolica.train.state import Run, save
from majolica.train.step import Losses, optimiser_step

Stop = Callable[[], bool]


def fit(run: Run, log: Log | None, stop: Stop, sample: Callable[[Run], None]) -> bool:
    """Train to the last step; False when `stop` asked to end early. What is unfinished is saved either way."""
    say = log.say if log else lambda message: None
    pending: list[Losses] = []
    watch = Watch(run)
    while run.step < run.config.train.steps and not any_rank(stop(), run.group):
        losses, rate = optimiser_step(run)
        pending.append(losses)
        watch.lap()
        if due(run, run.config.train.log_every):
            report(run, log, pending, rate, watch)
        if watch.plan_due():
            watch.plan()
        if due(run, run.config.train.checkpoint_every):
            save(run, say)
        if due(run, run.config.train.sample_every):
            sample(run)
        watch.resume()
    save(run, say)
    watch.close()
    return run.step >= run.config.train.steps


def due(run: Run, every: int) -> bool:
    """Whether something that happens every so many steps happens now (the last step counts)."""
    return every > 0 and (run.step % every == 0 or run.step == run.config.train.steps)


def report(run: Run, log: Log | None, pending: list[Losses], rate: float, watch: Watch) -> None:
    """Average the losses since the last report over steps and ranks, and log them."""
    names = list(pending[0])
    values = torch.stack([torch.stack([losses[name].float() for losses in pending]).mean() for name in names])
    means = mean_over_ranks(values, run.group).tolist()
    steps = len(pending)
    pending.clear()
    seconds, sent = watch.reset(), run.traffic.reset()
    if log is None:
        return
    rows = run.config.train.batch * run.config.train.accumulate * run.group.world
    record = dict(zip(names, means, strict=True)) | {
        "lr": rate,
        "logit_scale": run.model.logit_scale.exp().item(),
        "logit_bias": run.model.logit_bias.item(),
        "samples": run.samples,
        "seconds": round(run.seconds, 3),
        "seconds_per_step": seconds,
        "samples_per_s": rows / seconds,
        "data_wait": run.feed.reset() / steps,
        "sent_mb": sent / steps / 1e6,
    }
    log.record(run.step, run.config.train.steps, record)
