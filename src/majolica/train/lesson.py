"""What teaching any adapter shares: the frozen run, noisy rows, what the model predicts of them, and the loop."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from majolica.callbacks import ReportProgress
from majolica.config.loss import LossConfig
from majolica.config.run import RunConfig
from majolica.data.counter import mix
from majolica.data.loading.loader import Batch, Loader, LoaderSizes
from majolica.errors import UserError
from majolica.models.conditions import Condition
from majolica.models.majolica import Majolica
from majolica.models.parts import count_parameters
from majolica.models.precision import Precision, autocast_in_use
from majolica.objectives.draws import Draws
from majolica.objectives.flow import add_noise, draw_times, velocity_loss
from majolica.properties.registry import choose_columns
from majolica.sampling.pipeline import Pipeline
from majolica.train.step import augment_rows

STREAM = 0xADA9
"""Makes the random draws of a row differ from those of other trainings."""
PROPERTY_RATE, REFERENCE_RATE = 0.03, 0.003
"""Peak learning rates: offsets learn faster than words."""


@dataclasses.dataclass(frozen=True)
class LessonPlan:
    """How long an adapter learns, and how fast."""

    minutes: float = 3.0
    steps: int = 0
    """If it is above 0, so many steps are taken, whatever the minutes."""
    batch: int = 64
    lr: float = PROPERTY_RATE
    """Peak learning rate."""
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class NoisyRows:
    """The pictures of a batch, as clean as they are and as noisy as they are shown to the model."""

    clean_B3HW: Tensor
    """In [0, 1]."""
    noisy_B3HW: Tensor
    t_B: Tensor
    draws: Draws
    """Where further numbers of the rows come from."""


@dataclasses.dataclass(frozen=True)
class Effort:
    """What teaching an adapter took; part of its card."""

    parameters: int
    share: float
    """Its parameters over those of the model."""
    steps: int
    rows: int
    seconds: float


def open_frozen(run: Path, data: str) -> tuple[Pipeline, RunConfig]:
    """The run without adapters and with frozen weights, and its configuration with other shards if `data` names some.

    Raises UserError if the run cannot be read.
    """
    pipeline = Pipeline.load(run, adapters=())
    pipeline.model.requires_grad_(False)
    config = pipeline.config
    if data:
        alone = dataclasses.replace(config.data, shards=data, sources=(), weights_end=(), weights_over=0)
        config = dataclasses.replace(config, data=alone)
    return pipeline, config


def describe_lesson(what: str, adapter: nn.Module, model: Majolica) -> str:
    """A line that says what is taught, and how small the adapter is."""
    own = count_parameters(adapter)
    return f"teaching {what}: {own:,} parameters, {own / count_parameters(model):.2%} of those of the model"


def open_loader(config: RunConfig, model: Majolica, plan: LessonPlan, more: tuple[str, ...] = ()) -> Loader:
    """The training pictures from the first on, with what metadata say of the run's properties and of `more`."""
    size = LoaderSizes(config.model.resolution, patch=config.model.patch)
    data = dataclasses.replace(config.data, threads=max(1, config.data.threads))
    columns = choose_columns((*config.model.properties, *more))
    return Loader(data, plan.batch, size, plan.seed, columns=columns, categories=model.categories)


def draw_noisy_rows(batch: Batch, config: RunConfig, seed: int, device: torch.device) -> NoisyRows:
    """Augment the pictures of a batch as training does, and add noise; a row depends on its position and the seed."""
    seeds_B = mix(seed, STREAM, batch.positions_B.numpy()) >> np.uint64(1)
    draws = Draws.seeded(seeds_B.tolist(), device)
    images_B3HW = augment_rows(batch.images_B3HW, batch.positions_B, config).to(device)
    t_B = draw_times(draws, config.loss).to(device)
    return NoisyRows(images_B3HW, add_noise(images_B3HW * 2 - 1, t_B, draws.noise(images_B3HW)), t_B, draws)


def predict_clean(model: Majolica, rows: NoisyRows, condition: Condition, precision: Precision) -> Tensor:
    """The clean pictures that the model predicts, `B3HW` in about [-1, 1], with gradients to its adapters."""
    with autocast_in_use(precision, rows.t_B.device):
        with torch.no_grad():
            tokens_BND, time_BD = model.perceive(rows.noisy_B3HW, rows.t_B)
            text = model.read(condition.tokens_BL)
        return model.paint(tokens_BND, time_BD, text, condition, rows.noisy_B3HW, rows.t_B)[1]


def flow_loss(predicted_B3HW: Tensor, rows: NoisyRows, loss: LossConfig) -> Tensor:
    """The mean flow-matching loss of predicted clean pictures."""
    return velocity_loss(predicted_B3HW, rows.clean_B3HW * 2 - 1, rows.t_B, 1, loss.t_floor).mean()


def learn(
    adapter: nn.Module,
    model: Majolica,
    loss: Callable[[Batch], Tensor],
    loader: Loader,
    plan: LessonPlan,
    progress: ReportProgress,
) -> Effort:
    """Train an adapter of a model for the minutes or the steps of `plan`; returns what it took.

    Raises UserError if its values do not stay finite.
    """
    own = count_parameters(adapter)
    optimiser = torch.optim.AdamW(adapter.parameters(), lr=plan.lr, betas=(0.9, 0.99), weight_decay=0.0)
    start, step, share = time.monotonic(), 0, 0.0
    with closing(loader):
        while share < 1:
            for group in optimiser.param_groups:
                group["lr"] = plan.lr * min(1.0, (step + 1) / 20, max(1 - share, 0.02) / 0.5)
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss(next(loader)))
            torch.nn.utils.clip_grad_norm_(adapter.parameters(), 1.0)
            optimiser.step()
            step += 1
            if step % 20 == 0:
                _check_finite(adapter, plan)
            share = step / plan.steps if plan.steps else (time.monotonic() - start) / (plan.minutes * 60)
            progress(round(1000 * min(1.0, share)), 1000)
    _check_finite(adapter, plan)
    seconds = round(time.monotonic() - start, 1)
    return Effort(own, own / count_parameters(model), step, step * plan.batch, seconds)


def _check_finite(adapter: nn.Module, plan: LessonPlan) -> None:
    if not all(bool(value.isfinite().all()) for value in adapter.parameters()):
        raise UserError(f"the adapter diverged: lower --lr, which is {plan.lr:g}")
