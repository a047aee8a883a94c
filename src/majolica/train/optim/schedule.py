"""Learning rate over optimiser steps: linear warm-up, then a cosine; how long they and the whole run take."""

from __future__ import annotations

import math

from majolica.config.run import RunConfig
from majolica.config.training import OptimConfig
from majolica.plurals import counted


def learning_rate(step: int, steps: int, config: OptimConfig) -> float:
    """Rate of optimiser step `step` (1 is the first, `steps` the last): `lr` at `warmup`, `lr_end` at `steps`."""
    if step <= config.warmup:
        return config.lr * step / max(1, config.warmup)
    phase = (step - config.warmup) / max(1, steps - config.warmup)
    return config.lr_end + (config.lr - config.lr_end) * 0.5 * (1 + math.cos(math.pi * min(1.0, phase)))


def seconds_left(config: RunConfig, step: int, steps: int, pace: float, spent: float) -> float:
    """Training time from optimiser step `step` to `steps` at `pace` seconds each, `spent` seconds behind it.

    With `train.minutes` it is no more than is left of them, for `steps` is only planned from the end of the warm-up on
    and then from time to time; but the warm-up is taken to its end (`pace.Pace.plan`).
    """
    left = (steps - step) * pace
    if not config.train.minutes:
        return left
    return min(left, max(config.train.minutes * 60 - spent, (config.optim.warmup - step) * pace, 0.0))


def describe_long_warmup(config: RunConfig, pace: float) -> str:
    """Return a line that warns of a warm-up of more than half of `train.minutes`; "" if there is nothing to warn of.

    `pace` is in seconds per step. The warm-up is taken to its end, so a run on a slow machine may take longer than its
    minutes, and learn next to nothing after the warm-up.
    """
    minutes, warmup = config.train.minutes, config.optim.warmup
    taken = warmup * pace / 60
    if not minutes or taken <= minutes / 2:
        return ""
    fitting = max(1, int(minutes / 10 * 60 / pace))
    return (
        f"the warm-up of {counted(warmup, 'step')} takes about {taken:.2g} minutes at this pace, where --train.minutes"
        f" is {minutes:g}, and it is taken to its end: {counted(fitting, 'step')} (--optim.warmup {fitting}) would"
        " leave nine tenths of the time for what comes after it"
    )
