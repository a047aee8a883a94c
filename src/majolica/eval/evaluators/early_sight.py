"""How early, on the way from noise to a picture, the model sees what the picture shows.

Shapes: B pictures, K classes, E numbers of an embedding, A answers: one for each time and way of looking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from majolica.callbacks import ReportProgress, ignore_progress
from majolica.data.loading.split import space_evenly
from majolica.eval.labelled.embed import embed_classes, map_batches
from majolica.eval.labelled.pictures import LabelledPictures
from majolica.eval.protocol import EvalData, Figure, PipelineLike, Result, no_held_out_error
from majolica.html.axes import Axis, Frame, drawing
from majolica.metrics.intervals import wilson_interval
from majolica.plurals import counted
from majolica.text.template_sets import DEFAULT, TemplateSet

TIMES = tuple(round(0.1 * tenths, 1) for tenths in range(1, 11))
"""Flow times at which the model looks; at 0 all is noise, at 1 nothing is."""
WAYS = {"noisy": False, "predicted": True}
"""What is embedded, by name: the noisy picture itself, or the clean picture that the model predicts from it."""


@dataclass(frozen=True)
class EarlySight:
    """Zero-shot top-1 on pictures that are noisy as at several flow times.

    Every picture keeps its noise at all times, so that the times can be compared. The pictures are the first `limit`
    of a set, evenly spaced; without a set they are those that the run holds out.
    """

    pictures: LabelledPictures | None = None
    times: tuple[float, ...] = TIMES
    templates: TemplateSet = DEFAULT
    limit: int = 512
    seed: int = 0
    batch: int = 64
    progress: ReportProgress = ignore_progress
    name: str = "early-sight"

    def count_paintings(self, data: EvalData) -> float:
        """Return 0, because nothing is painted."""
        return 0

    def explain_lack(self, data: EvalData) -> str:
        """Return that there are no pictures, or that there is only one class, if so."""
        if self.pictures is None and not _named(data):
            return "There are no held-out pictures of which it is known what they show."
        names = data.names if self.pictures is None else self.pictures.names
        return "" if len(names) > 1 else "There is one class only, so that any answer is right."

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        names = data.names if self.pictures is None else self.pictures.names
        classes_KE, record = embed_classes(pipeline, names, self.templates)
        if self.pictures is None:
            right_BA, of_data = self._look_at_held_out(pipeline, data, classes_KE)
        else:
            right_BA, of_data = self._look_at(pipeline, self.pictures, classes_KE)
        shares = right_BA.double().mean(0).view(len(self.times), len(WAYS)).T.tolist()
        metrics, intervals = {}, {}
        for way, row in zip(WAYS, shares, strict=True):
            for t, share in zip(self.times, row, strict=True):
                metrics[f"early_sight_{way}_t{t:g}"] = share
                intervals[f"early_sight_{way}_t{t:g}"] = wilson_interval(share, len(right_BA))
        record |= of_data | {"times": list(self.times), "seed": self.seed}
        figure = Figure("Share named right, by flow time", _draw(self.times, shares, 1 / len(names)), _FIGURE_NOTE)
        note = _note(self.times, shares, len(right_BA), len(names))
        return Result("Early sight", metrics, (figure,), note, record, intervals)

    def _look_at(
        self, pipeline: PipelineLike, pictures: LabelledPictures, classes_KE: Tensor
    ) -> tuple[Tensor, dict[str, Any]]:
        some = pictures.part(space_evenly(len(pictures), self.limit))
        (answers_BA,), reading = map_batches(
            some,
            lambda part: [self._answer(pipeline, part.images_B3HW, part.numbers, classes_KE)],
            self.batch,
            self.progress,
        )
        return answers_BA == reading.labels_N[:, None], reading.record(some)

    def _look_at_held_out(
        self, pipeline: PipelineLike, data: EvalData, classes_KE: Tensor
    ) -> tuple[Tensor, dict[str, Any]]:
        named = _named(data)
        if not named:
            raise no_held_out_error("pictures to classify")
        rows = [named[i] for i in space_evenly(len(named), self.limit)]
        index = {name: place for place, name in enumerate(data.names)}
        shown = [{index[name] for name in data.heldout.shown(i) if name in index} for i in rows]
        parts = []
        for start in range(0, len(rows), self.batch):
            numbers = range(start, min(start + self.batch, len(rows)))
            images_B3HW = data.heldout.images_B3HW[[rows[i] for i in numbers]]
            parts.append(self._answer(pipeline, images_B3HW, numbers, classes_KE))
            self.progress(numbers.stop, len(rows))
        answers_BA = torch.cat(parts)
        # A picture of several things is right if any of them is named.
        right = [[answer in things for answer in row] for row, things in zip(answers_BA.tolist(), shown, strict=True)]
        return torch.tensor(right), {"pictures": len(rows), "classes": len(data.names), **data.record}

    def _answer(
        self, pipeline: PipelineLike, images_B3HW: Tensor, numbers: Sequence[int], classes_KE: Tensor
    ) -> Tensor:
        """Return the class that each picture is most similar to, `(B, A)`, at every time in every way."""
        seeds = [self.seed + number for number in numbers]
        answers = []
        for t in self.times:
            for predict in WAYS.values():
                embeddings_BE = pipeline.embed_noisy(images_B3HW, t, seeds, predict).float().cpu()
                answers.append((embeddings_BE @ classes_KE.T).argmax(1))
        return torch.stack(answers, 1)


_FIGURE_NOTE = (
    "The line is for the noisy pictures themselves, the dots are for the clean pictures that the model predicts from"
    " them, and the dashed line is chance. Noise becomes a picture from left to right."
)


def _named(data: EvalData) -> list[int]:
    """Return the numbers of the held-out pictures of which it is known what they show."""
    return [i for i in range(len(data.heldout)) if data.heldout.shown(i)]


def _draw(times: Sequence[float], shares: Sequence[Sequence[float]], chance: float) -> str:
    """Draw a line for the first way of looking, and dots for the second."""
    frame = Frame(Axis(0, 1), Axis(0, 1))
    line = f'<path class="line" d="{frame.path(times, shares[0])}"/>'
    places = [frame.place(t, share) for t, share in zip(times, shares[1], strict=True)]
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in places)
    mark = f'<path class="mark" d="{frame.path((0, 1), (chance, chance))}"/>'
    content = frame.y_marks() + frame.x_marks() + mark + line + dots
    return drawing("Share named right", content, "flow time, from noise (0) to picture (1)")


def _note(times: Sequence[float], shares: Sequence[Sequence[float]], pictures: int, classes: int) -> str:
    """Say when the model names half as many right as at the last time."""
    words = []
    for way, row in zip(("the noisy picture", "the picture that it predicts"), shares, strict=True):
        early = next(t for t, share in zip(times, row, strict=True) if share >= row[-1] / 2)
        words.append(f"{row[-1]:.1%} by {way} at t = {times[-1]:g}, and half of that from t = {early:g} on")
    return (
        f"{counted(pictures, 'picture')} of {classes:,} classes are mixed with noise, as they are on the way of"
        f" painting, and named by what the model sees without any caption: {'; '.join(words)}."
    )
