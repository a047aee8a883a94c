"""Teaches a trained model to follow a reference picture, through an adapter: none of its own weights change.

The picture that is painted and its reference are two views of one picture. The caption is often hidden, because
otherwise it says most of what the reference could say. The reference itself is never hidden: without it the model
is what it was, to the bit, and there is nothing to learn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import torch
from torch import Tensor

from majolica.adapters.reference_card import KIND, ReferenceCard
from majolica.adapters.store import hold_adapter, save_adapter
from majolica.callbacks import ReportProgress, ignore_progress
from majolica.config.run import RunConfig
from majolica.data.loading.loader import Batch
from majolica.models.conditions import Condition, Reference
from majolica.models.precision import autocast_in_use
from majolica.models.reference import ReferenceAdapter
from majolica.objectives.joint import draw_condition
from majolica.sampling.pipeline import Pipeline
from majolica.train.lesson import (
    REFERENCE_RATE,
    LessonPlan,
    NoisyRows,
    describe_lesson,
    draw_noisy_rows,
    flow_loss,
    learn,
    open_frozen,
    open_loader,
    predict_clean,
)
from majolica.train.reference_views import draw_views
from majolica.train.step import augment_rows

FITTED = 16
"""Batches of pictures over which the mean and the spread of features are taken."""


@dataclasses.dataclass(frozen=True)
class ReferenceRequest:
    """What `extend_reference` is asked for."""

    run: Path
    out: Path | None = None
    """The file to write; adapters/reference.safetensors in the run folder if it is None."""
    data: str = ""
    """Shards to learn from; those of the run if it is empty."""
    rank: int = 8
    """Numbers of the code that a picture becomes."""
    drop_text: float = 0.5
    """Share of the rows whose caption is hidden."""
    drop_properties: float = 0.5
    """Share of the rows in which all of the model's own properties are hidden; else each as in its training."""
    plan: LessonPlan = dataclasses.field(default_factory=lambda: LessonPlan(lr=REFERENCE_RATE))


def extend_reference(
    request: ReferenceRequest,
    say: Callable[[str], None] = lambda message: None,
    progress: ReportProgress = ignore_progress,
) -> Path:
    """Teach the run to follow a reference picture, write the adapter, and return its path.

    Raises UserError if the file is there already, if the run or its data cannot be read, or if the adapter diverges.
    """
    with hold_adapter(request.run, KIND, request.out) as path:
        pipeline, config = open_frozen(request.run, request.data)
        lesson = ReferenceLesson(pipeline, config, request)
        say(describe_lesson("to follow a reference picture", lesson.adapter, pipeline.model))
        loader = open_loader(config, pipeline.model, request.plan)
        effort = learn(lesson.adapter, pipeline.model, lesson.loss, loader, request.plan, progress)
        card = ReferenceCard(pipeline.weights_sha256, request.rank, **dataclasses.asdict(effort))
        save_adapter(path, lesson.adapter, card)
        return path


class ReferenceLesson:
    """A frozen model, an adapter that learns to follow references, and the loss of a batch."""

    def __init__(self, pipeline: Pipeline, config: RunConfig, request: ReferenceRequest) -> None:
        self.pipeline, self.config, self.request = pipeline, config, request
        torch.manual_seed(request.plan.seed)
        self.adapter = ReferenceAdapter(config.model, request.rank).to(pipeline.device)
        with closing(open_loader(config, pipeline.model, request.plan)) as loader:
            batches = (next(loader) for _ in range(FITTED))
            features = [
                self._look(
                    augment_rows(batch.images_B3HW, batch.positions_B, config).to(pipeline.device), batch.positions_B
                )
                for batch in batches
            ]
        self.adapter.fit(torch.cat(features))
        pipeline.model.reference_adapters = [self.adapter]

    def loss(self, batch: Batch) -> Tensor:
        """The flow-matching loss of a batch whose rows all have a reference."""
        rows, condition = self.prepare(batch)
        predicted_B3HW = predict_clean(self.pipeline.model, rows, condition, self.config.train.precision)
        return flow_loss(predicted_B3HW, rows, self.config.loss)

    def prepare(self, batch: Batch) -> tuple[NoisyRows, Condition]:
        """The noisy rows of a batch; their captions and properties with drop-out of their own, and their references."""
        request, device = self.request, self.pipeline.device
        drop = dataclasses.replace(
            self.config.loss, drop_text=request.drop_text, drop_properties=request.drop_properties, drop_all=0.0
        )
        rows = draw_noisy_rows(batch, self.config, request.plan.seed, device)
        columns = {name: values_B.to(device) for name, values_B in batch.columns.items()}
        tokens_BL, names = self.pipeline.encode(batch.captions), self.config.model.properties
        usual = draw_condition(tokens_BL, rows.clean_B3HW, drop, names, rows.draws, columns)
        present_B = torch.ones(len(tokens_BL), dtype=torch.bool, device=device)
        reference = Reference(self._look(rows.clean_B3HW, batch.positions_B), present_B)
        return rows, dataclasses.replace(usual, reference=reference)

    def _look(self, images_B3HW: Tensor, positions_B: Tensor) -> Tensor:
        """The features `(B, F)` of another view of each picture."""
        views_B3HW = draw_views(images_B3HW, positions_B, self.request.plan.seed, self.config.data)
        with autocast_in_use(self.config.train.precision, self.pipeline.device):
            return self.pipeline.model.summarise(views_B3HW * 2 - 1)
