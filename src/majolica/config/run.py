"""Every setting of a run, as typed and frozen dataclasses.

Where the reference system fixes a value, that value is the default, so a recipe states only how it differs. Nothing
here imports torch, so that `majolica --help` and `--print-config` answer at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from majolica.config.data import DataConfig
from majolica.config.loss import LossConfig
from majolica.config.model import ModelConfig
from majolica.config.training import OptimConfig, TrainConfig


@dataclass(frozen=True)
class RunConfig:
    """A whole run. `majolica train` checks it, saves it beside the weights, and can reproduce it."""

    recipe: str = "reference"
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
