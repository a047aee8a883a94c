"""The training loop: step, and then whatever is due."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import torch
import torch.distributed as dist

from majolica.config import io
from majolica.distributed.group import any_rank, mean_over_ranks
from majolica.train.log import Log
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
        if run.config.train.minutes and run.step == run.config.optim.warmup:
            fix_steps(run, watch)
        if due(run, run.config.train.checkpoint_every):
            save(run, say)
        if due(run, run.config.train.sample_every):
            sample(run)
        watch.resume()
    save(run, say)
    return run.step >= run.config.train.steps


def due(run: Run, every: int) -> bool:
    """Whether something that happens every so many steps happens now (the last step counts)."""
    return every > 0 and (run.step % every == 0 or run.step == run.config.train.steps)


class Watch:
    """Training time without what is done between the steps (saving, painting)."""

    def __init__(self, run: Run) -> None:
        self.run, self.steps, self.spent = run, 0, 0.0
        self.first: list[float] = []
        self.mark = time.perf_counter()

    def lap(self) -> None:
        """A step has ended."""
        elapsed = time.perf_counter() - self.mark
        self.run.seconds += elapsed
        self.spent += elapsed
        self.steps += 1
        self.first.append(elapsed) if len(self.first) < 1_000 else None

    def resume(self) -> None:
        """The next step begins."""
        self.mark = time.perf_counter()

    def reset(self) -> float:
        """Seconds per step since the last call."""
        mean = self.spent / max(1, self.steps)
        self.steps, self.spent = 0, 0.0
        return mean


def report(run: Run, log: Log | None, pending: list[Losses], rate: float, watch: Watch) -> None:
    """Average the losses since the last report over steps and ranks, and log them."""
    names = list(pending[0])
    values = torch.stack([torch.stack([losses[name].float() for losses in pending]).mean() for name in names])
    means = mean_over_ranks(values, run.group).tolist()
    pending.clear()
    seconds = watch.reset()
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
    }
    log.record(run.step, run.config.train.steps, record)


def fix_steps(run: Run, watch: Watch) -> None:
    """Turn `minutes` into `steps` from the pace of the warm-up, on every rank alike, and save the configuration so."""
    pace = sorted(watch.first)[len(watch.first) // 2]
    left = run.config.train.minutes * 60 - run.seconds
    steps = torch.tensor(run.step + max(1, int(left / pace)), device=run.group.device)
    if run.group.world > 1:
        dist.broadcast(steps, 0)
    train = dataclasses.replace(run.config.train, steps=int(steps), minutes=0.0)
    run.config = dataclasses.replace(run.config, train=train)
    if run.group.first:
        io.save(run.config, run.out / "config.yaml")
