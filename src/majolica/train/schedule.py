"""Learning rate over optimiser steps: linear warm-up, then a cosine."""

from __future__ import annotations

import math

from majolica.config.schema import OptimConfig


def learning_rate(step: int, steps: int, config: OptimConfig) -> float:
    """Rate of optimiser step `step` (1 is the first, `steps` the last): `lr` at `warmup`, `lr_end` at `steps`."""
    if step <= config.warmup:
        return config.lr * step / max(1, config.warmup)
    phase = (step - config.warmup) / max(1, steps - config.warmup)
    return config.lr_end + (config.lr - config.lr_end) * 0.5 * (1 + math.cos(math.pi * min(1.0, phase)))
