"""Learning rate over optimiser steps: linear warm-up, then a cosine; how long a run still takes."""

from __future__ import annotations

import math

from majolica.config.run import RunConfig
from majolica.config.training import OptimConfig


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
