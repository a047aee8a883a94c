"""What a configuration leaves to the machine, and the configuration once that is known. Nothing here looks at it."""

from __future__ import annotations

import dataclasses
from typing import Literal

from majolica.config.run import RunConfig


def is_open(config: RunConfig) -> bool:
    """Whether `train.processes` (0) or `train.precision` ("auto") is left to the machine."""
    return not config.train.processes or config.train.precision == "auto"


def settle(config: RunConfig, processes: int, precision: Literal["fp32", "bf16"]) -> RunConfig:
    """`config` with these values where it leaves them open; its rows of a micro-step, over all processes, stay.

    `train.batch` is the rows of all processes together while `train.processes` is 0, and must be a multiple of
    `processes`.
    """
    train = config.train
    if not train.processes:
        train = dataclasses.replace(train, processes=processes, batch=train.batch // processes)
    if train.precision == "auto":
        train = dataclasses.replace(train, precision=precision)
    return dataclasses.replace(config, train=train)
