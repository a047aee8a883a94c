"""Teaches a trained model a further property, through an adapter: none of its own weights change."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from majolica.adapters.card import Card
from majolica.adapters.store import FOLDER, save_adapter
from majolica.config.flow_times import time_quantile
from majolica.config.run import LossConfig, RunConfig
from majolica.data.counter import mix
from majolica.data.loading.loader import Batch, Loader, Size
from majolica.errors import UserError
from majolica.models.adapter import PropertyAdapter
from majolica.models.conditions import Condition
from majolica.models.majolica import Majolica
from majolica.models.precision import autocast_in_use
from majolica.objectives.consistency import consistency_loss
from majolica.objectives.draws import Draws
from majolica.objectives.flow import add_noise, flow_time, velocity_loss
from majolica.objectives.joint import draw_condition
from majolica.properties.quantiles import fit_quantiles
from majolica.properties.registry import choose_columns, find_property
from majolica.sampling.pipeline import Pipeline
from majolica.train.property_values import measure_first_pictures
from majolica.train.step import augment_rows

STREAM = 0xADA9
"""Makes the random draws of a row differ from those of other trainings."""


@dataclasses.dataclass(frozen=True)
class ExtendRequest:
    """What `extend` is asked for."""

    run: Path
    property: str
    """A name of the registry."""
    out: Path | None = None
    """The file to write; adapters/NAME.safetensors in the run folder if it is None."""
    data: str = ""
    """Shards to learn from; those of the run if it is empty."""
    minutes: float = 3.0
    steps: int = 0
    """If it is above 0, so many steps are taken, whatever the minutes."""
    rank: int = 8
    batch: int = 64
    lr: float = 3e-3
    consistency: float = 30.0
    """Weight of the loss on what predicted pictures measure, beside the flow-matching loss."""
    seed: int = 0


def extend(
    request: ExtendRequest,
    say: Callable[[str], None] = lambda message: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Teach the property, write the adapter, and return its path.

    Raises UserError if the run already has the property, or if the run or its data cannot be read.
    """
    pipeline = Pipeline.load(request.run, adapters=())
    config, name = pipeline.config, request.property
    if name in config.model.properties:
        raise UserError(f"{request.run} was trained with {name}: there is nothing to teach")
    if request.data:
        config = dataclasses.replace(config, data=dataclasses.replace(config.data, shards=request.data, sources=()))
    lesson = Lesson(pipeline.model.requires_grad_(False), config, request, pipeline.device)
    own = sum(value.numel() for value in lesson.adapter.parameters())
    share = own / sum(value.numel() for value in pipeline.model.parameters())
    say(f"teaching {name}: {own:,} parameters, {share:.2%} of those of the model")
    start = time.monotonic()
    steps, rows = lesson.learn(pipeline, progress)
    entry, seconds = find_property(name), time.monotonic() - start
    card = Card(
        name=name,
        unit=entry.unit,
        low=entry.low,
        high=entry.high,
        circular=entry.circular,
        measure=entry.source or "built in",
        base=pipeline.weights_sha256,
        rank=request.rank,
        parameters=own,
        share=share,
        steps=steps,
        rows=rows,
        seconds=round(seconds, 1),
    )
    path = request.out or request.run / FOLDER / f"{name}.safetensors"
    save_adapter(path, lesson.adapter, card)
    return path


class Lesson:
    """A frozen model, an adapter that learns, and the data."""

    def __init__(self, model: Majolica, config: RunConfig, request: ExtendRequest, device: torch.device) -> None:
        self.model, self.config, self.request, self.device = model, config, request, device
        torch.manual_seed(request.seed)
        self.adapter = PropertyAdapter(request.property, config.model, request.rank)
        values_N = measure_first_pictures((request.property,), config)[:, 0]
        if not bool(values_N.isfinite().any()):
            raise UserError(f"none of the first pictures has a {request.property}: name other data with --data")
        self.adapter.quantiles.copy_(fit_quantiles(find_property(request.property), values_N))
        self.adapter.to(device)
        model.adapters = [self.adapter]

    def learn(self, pipeline: Pipeline, progress: Callable[[int, int], None]) -> tuple[int, int]:
        """Train for the minutes or the steps asked for; returns the steps and the rows seen."""
        request, limit = self.request, self.request.minutes * 60
        optimiser = torch.optim.AdamW(self.adapter.parameters(), lr=request.lr, betas=(0.9, 0.99), weight_decay=0.0)
        size = Size(self.config.model.resolution, patch=self.config.model.patch)
        data = dataclasses.replace(self.config.data, threads=max(1, self.config.data.threads))
        start, step, share = time.monotonic(), 0, 0.0
        columns = choose_columns((*self.config.model.properties, request.property))
        with closing(Loader(data, request.batch, size, request.seed, columns=columns)) as loader:
            while share < 1:
                for group in optimiser.param_groups:
                    group["lr"] = request.lr * min(1.0, (step + 1) / 20, max(1 - share, 0.02) / 0.5)
                batch = next(loader)
                loss = self.loss(batch, pipeline.encode(batch.captions))
                optimiser.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                torch.nn.utils.clip_grad_norm_(self.adapter.parameters(), 1.0)
                optimiser.step()
                step += 1
                if step % 20 == 0:
                    self._check_finite()
                share = step / request.steps if request.steps else (time.monotonic() - start) / limit
                progress(round(1000 * min(1.0, share)), 1000)
        self._check_finite()
        return step, step * request.batch

    def _check_finite(self) -> None:
        if not all(bool(value.isfinite().all()) for value in self.adapter.parameters()):
            raise UserError(f"the adapter diverged: lower --lr, which is {self.request.lr:g}")

    def loss(self, batch: Batch, tokens_BL: Tensor) -> Tensor:
        """The flow-matching loss of a batch whose rows all set the property, and the consistency of the predictions."""
        loss, request, model = self.config.loss, self.request, self.model
        seeds_B = mix(request.seed, STREAM, batch.positions_B.numpy()) >> np.uint64(1)
        draws = Draws.seeded(seeds_B.tolist(), self.device)
        images_B3HW = augment_rows(batch.images_B3HW, batch.positions_B, self.config).to(self.device)
        t_B = flow_time(draws.normal(), loss.t_mean, loss.t_std).to(self.device)
        noisy_B3HW = add_noise(images_B3HW * 2 - 1, t_B, draws.noise(images_B3HW))
        columns = {name: values_B.to(self.device) for name, values_B in batch.columns.items()}
        asked = self._ask(tokens_BL, images_B3HW, draws, columns)
        with autocast_in_use(self.config.train.precision, self.device):
            with torch.no_grad():
                tokens_BND, time_BD = model.perceive(noisy_B3HW, t_B)
                text = model.read(tokens_BL)
            _, clean_B3HW = model.paint(tokens_BND, time_BD, text, asked, noisy_B3HW, t_B)
        flow = velocity_loss(clean_B3HW, images_B3HW * 2 - 1, t_B, 1, loss.t_floor).mean()
        own = len(self.config.model.properties)
        taught = Condition(tokens_BL, asked.has_text_B, asked.values_BP[:, own:], asked.has_value_BP[:, own:])
        away = consistency_loss([request.property], clean_B3HW, taught, t_B, time_quantile(0.5, loss)).mean()
        return flow + request.consistency * away

    def _ask(self, tokens_BL: Tensor, images_B3HW: Tensor, draws: Draws, columns: Mapping[str, Tensor]) -> Condition:
        """The caption and the model's own properties with the drop-out of its training; the new one is always set."""
        rest = self.config.model.properties
        usual = draw_condition(tokens_BL, images_B3HW, self.config.loss, rest, draws, columns)
        always = LossConfig(drop_text=0.0, drop_property=0.0, drop_properties=0.0, drop_all=0.0)
        taught = draw_condition(tokens_BL, images_B3HW, always, (self.request.property,), draws, columns)
        return Condition(
            tokens_BL,
            usual.has_text_B,
            torch.cat((usual.values_BP, taught.values_BP), 1),
            torch.cat((usual.has_value_BP, taught.has_value_BP), 1),
        )
