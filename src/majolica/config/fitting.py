"""What a configuration leaves to the machine, and the configuration once the machine is known.

Nothing here looks at the machine itself.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from majolica.config.run import RunConfig


def is_open(config: RunConfig) -> bool:
    """Whether the configuration leaves `train.processes` (0) or `train.precision` ("auto") to the machine."""
    return not config.train.processes or config.train.precision == "auto"


def settle(config: RunConfig, processes: int, precision: Literal["fp32", "bf16"]) -> RunConfig:
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
