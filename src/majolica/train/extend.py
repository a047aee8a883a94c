"""Teaches a trained model a further property, through an adapter: none of its own weights change."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from majolica.adapters.card import AdapterCard
from majolica.adapters.store import hold_adapter, save_adapter
from majolica.callbacks import ReportProgress, ignore_progress
from majolica.config.flow_times import time_quantile
from majolica.config.loss import LossConfig
from majolica.config.run import RunConfig
from majolica.data.loading.loader import Batch
from majolica.errors import UserError
from majolica.models.adapter import PropertyAdapter
from majolica.models.conditions import Condition
from majolica.objectives.consistency import consistency_loss
from majolica.objectives.draws import Draws
from majolica.objectives.joint import draw_condition
from majolica.properties.categories import NameTable
from majolica.properties.quantiles import fit_quantiles
from majolica.properties.registry import find_property
from majolica.sampling.pipeline import Pipeline
from majolica.train.lesson import (
    LessonPlan,
    describe_lesson,
    draw_noisy_rows,
    flow_loss,
    learn,
    open_frozen,
    open_loader,
    predict_clean,
)
from majolica.train.property_values import explain_unlearnable, survey_values


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
    consistency: float = 30.0
    """Weight of the loss on what predicted pictures measure, beside the flow-matching loss."""
    plan: LessonPlan = dataclasses.field(default_factory=LessonPlan)


def extend(
    request: ExtendRequest,
    say: Callable[[str], None] = lambda message: None,
    progress: ReportProgress = ignore_progress,
) -> Path:
    """Teach the property, write the adapter, and return its path.

    Raises UserError if the file is there already, if the run has the property, if its values cannot be learned, or if
    the run or its data cannot be read.
    """
    name = request.property
    with hold_adapter(request.run, name, request.out) as path:
        pipeline, config = open_frozen(request.run, request.data)
        if name in config.model.properties:
            raise UserError(f"{request.run} was trained with {name}: there is nothing to teach")
        lesson = Lesson(pipeline, config, request)
        say(describe_lesson(name, lesson.adapter, pipeline.model))
        loader = open_loader(config, pipeline.model, request.plan, (name,))
        effort = learn(lesson.adapter, pipeline.model, lesson.loss, loader, request.plan, progress)
        entry = find_property(name)
        card = AdapterCard(
            name=name,
            unit=entry.unit,
            low=entry.low,
            high=entry.high,
            circular=entry.circular,
            measure=entry.source or "built in",
            base=pipeline.weights_sha256,
            names=list(lesson.adapter.names),
            **dataclasses.asdict(effort),
        )
        save_adapter(path, lesson.adapter, card)
        return path


class Lesson:
    """A frozen model, an adapter that learns, and the loss of a batch."""

    def __init__(self, pipeline: Pipeline, config: RunConfig, request: ExtendRequest) -> None:
        self.pipeline, self.config, self.request = pipeline, config, request
        torch.manual_seed(request.plan.seed)
        values, categories = survey_values((request.property,), config)
        values_N, table = values[request.property], categories.get(request.property, NameTable())
        if reason := explain_unlearnable(request.property, values_N, table):
            source = find_property(request.property).source.partition(",")[0]
            raise UserError(f"{reason}: {f'mend {source}, or ' if source else ''}name other data with --data")
        self.adapter = PropertyAdapter(request.property, config.model, table.names).to(pipeline.device)
        self.adapter.quantiles.copy_(fit_quantiles(find_property(request.property), values_N))
        pipeline.model.adapters = [self.adapter]

    def loss(self, batch: Batch) -> Tensor:
        """The flow-matching loss of a batch whose rows all set the property, and the consistency of the predictions."""
        loss, request, device = self.config.loss, self.request, self.pipeline.device
        tokens_BL = self.pipeline.encode(batch.captions)
        rows = draw_noisy_rows(batch, self.config, request.plan.seed, device)
        columns = {name: values_B.to(device) for name, values_B in batch.columns.items()}
        asked = self._ask(tokens_BL, rows.clean_B3HW, rows.draws, columns)
        clean_B3HW = predict_clean(self.pipeline.model, rows, asked, self.config.train.precision)
        own = len(self.config.model.properties)
        taught = Condition(tokens_BL, asked.has_text_B, asked.values_BP[:, own:], asked.has_value_BP[:, own:])
        away = consistency_loss([request.property], clean_B3HW, taught, rows.t_B, time_quantile(0.5, loss)).mean()
        return flow_loss(clean_B3HW, rows, loss) + request.consistency * away

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
            noise_BP=usual.noise_BP,
        )
