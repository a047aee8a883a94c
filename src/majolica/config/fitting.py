"""What a configuration leaves to the machine and to the data, and the configuration once these are known.

Nothing here looks at a machine or at data.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from majolica.config.run import RunConfig
from majolica.config.training import TrainConfig

OFTEN, FEW = 100, 10_000
"""So often each picture is seen where there are no more than so few of them."""
LEAST_STEPS = 1_000
"""With fewer, no schedule has room."""
LEAST_ROWS = 32
"""Rows of an optimiser step that are not halved any further."""
WARMUP_SHARE = 20
"""Warm-up and averaging last no longer than the steps over this."""


def has_open_options(config: RunConfig) -> bool:
    """Whether the configuration leaves `train.processes` (0) or `train.precision` ("auto") to the machine."""
    return bool(open_options(config))


def open_options(config: RunConfig) -> list[str]:
    """The options that the configuration leaves to the machine, with their values, as they are typed."""
    processes = ["--train.processes 0"] if not config.train.processes else []
    return processes + (["--train.precision auto"] if config.train.precision == "auto" else [])


def settle_open_options(config: RunConfig, processes: int, precision: Literal["fp32", "bf16"]) -> RunConfig:
    """Return `config` with these values if it leaves them open; the rows of a micro-step over all processes stay.

    While `train.processes` is 0, `train.batch` is the rows of all processes together, and it must be a multiple of
    `processes`.
    """
    train = config.train
    if not train.processes:
        train = dataclasses.replace(train, processes=processes, batch=train.batch // processes)
    if train.precision == "auto":
        train = dataclasses.replace(train, precision=precision)
    return dataclasses.replace(config, train=train)


def passes_over(pictures: int) -> float:
    """How often each picture is to be seen: 100 times up to 10,000 pictures, then as 1 / sqrt(pictures), at least once.

    No law: a curve through a set of thousands, which learns for a hundred passes before it repeats itself, and the
    reference's 1.5 billion pairs, which are seen once.
    """
    return max(1.0, OFTEN * math.sqrt(FEW / max(FEW, pictures)))


def fit_schedule(config: RunConfig, pictures: int) -> RunConfig:
    """`config` with the steps that so many pictures ask for, where its `train.steps` is 0, and what follows from them.

    The rows of a step are halved, first micro-steps and then rows of each, until there are `LEAST_STEPS`, but not below
    `LEAST_ROWS`. Warm-up, EMA and cadences that are longer than the steps allow are shortened; shorter ones stay.
    """
    if config.train.steps:
        return config
    train, samples = config.train, pictures * passes_over(pictures)
    while samples / rows_of_step(train) < LEAST_STEPS and rows_of_step(train) >= 2 * LEAST_ROWS:
        if train.accumulate % 2 == 0:
            train = dataclasses.replace(train, accumulate=train.accumulate // 2)
        elif train.batch % 2 == 0:
            train = dataclasses.replace(train, batch=train.batch // 2)
        else:
            break
    steps = max(LEAST_STEPS, math.ceil(samples / rows_of_step(train)))
    often = ("checkpoint_every", "sample_every", "heldout_every")
    cadences = {name: min(getattr(train, name), steps // 10) for name in often}
    train = dataclasses.replace(train, steps=steps, log_every=min(train.log_every, steps // 100), **cadences)
    optim = dataclasses.replace(
        config.optim,
        warmup=min(config.optim.warmup, steps // WARMUP_SHARE),
        ema=min(config.optim.ema, 1 - WARMUP_SHARE / steps),
    )
    return dataclasses.replace(config, train=train, optim=optim)


def rows_of_step(train: TrainConfig) -> int:
    """Rows of an optimiser step, over all processes."""
    return train.batch * train.accumulate * (train.processes or 1)
