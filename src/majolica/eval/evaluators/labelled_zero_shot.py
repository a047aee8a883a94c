"""Zero-shot classification of any labelled pictures, such as the validation set of ImageNet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from majolica.callbacks import ReportProgress, ignore_progress
from majolica.eval.labelled.clip_benchmark import BenchmarkedModel
from majolica.eval.labelled.confusions import confusion_parts, hardest_classes
from majolica.eval.labelled.embed import Reading, embed_classes, map_batches
from majolica.eval.labelled.pictures import LabelledBatch, LabelledPictures, describe_skipped
from majolica.eval.labelled.scores import (
    Reliability,
    confusion_counts,
    mean_recall,
    mean_recall_interval,
    measure_reliability,
    share_among,
)
from majolica.eval.protocol import READING, EvalData, Figure, PipelineLike, Result, Table
from majolica.html.charts import Points, scatter
from majolica.metrics.intervals import wilson_interval
from majolica.plurals import counted
from majolica.text.template_sets import DEFAULT, TemplateSet

TOP = 5
"""Answers of a picture that are looked at."""


@dataclass(frozen=True)
class LabelledZeroShot:
    """The share of labelled pictures whose most similar class, by its name in templates, is their label.

    The data of the run are not used. Metrics are top-1 and top-5, mean recall of the classes, and the expected
    calibration error of the probabilities that `classify` gives.
    """

    pictures: LabelledPictures
    templates: TemplateSet = DEFAULT
    batch: int = 64
    progress: ReportProgress = ignore_progress
    model: BenchmarkedModel = field(default_factory=BenchmarkedModel)
    name: str = "labelled-zero-shot"

    def count_paintings(self, data: EvalData) -> float:
        """Return what reading the pictures takes, in painted pictures."""
        return READING * len(self.pictures)

    def explain_lack(self, data: EvalData) -> str:
        """Return that there is only one class, if so."""
        return explain_one_class(self.pictures)

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        names = self.pictures.names
        classes_KE, templates = embed_classes(pipeline, names, self.templates)

        def answer(part: LabelledBatch) -> Sequence[Tensor]:
            images_BE = pipeline.embed_images(part.images_B3HW)
            chances_BK = pipeline.compare(images_BE, classes_KE.to(images_BE)).float().cpu()
            ranked_BK = chances_BK.argsort(dim=1, descending=True, stable=True)[:, :TOP]
            return ranked_BK, chances_BK.amax(1)

        (ranked_NR, confidence_N), reading = map_batches(self.pictures, answer, self.batch, self.progress)
        labels_N, answers_N = reading.labels_N, ranked_NR[:, 0]
        reliability = measure_reliability(confidence_N, answers_N == labels_N)
        metrics = {"top1": share_among(ranked_NR, labels_N, 1)}
        if len(names) > TOP:
            metrics["top5"] = share_among(ranked_NR, labels_N, TOP)
        intervals = {name: wilson_interval(share, len(labels_N)) for name, share in metrics.items()}
        metrics["mean_per_class_recall"] = mean_recall(answers_N, labels_N, len(names))
        intervals["mean_per_class_recall"] = mean_recall_interval(answers_N, labels_N, len(names))
        metrics |= {"calibration_error": reliability.error, "chance": 1 / len(names), "pictures": float(len(labels_N))}
        confusion_KK = confusion_counts(answers_N, labels_N, len(names))
        named = {f"labelled_{name}": value for name, value in metrics.items()}
        return Result(
            "Zero-shot classification of labelled pictures",
            named,
            (
                *_reliability_figure(reliability),
                *confusion_parts(confusion_KK, names),
                *hardest_classes(confusion_KK, names),
            ),
            _note(self.pictures, reading, metrics, intervals, templates["templates_used"]),
            {**reading.record(self.pictures), **templates},
            {f"labelled_{name}": bounds for name, bounds in intervals.items()},
            files=self.model.files(named, "zeroshot_classification", self.pictures.source),
        )


def explain_one_class(pictures: LabelledPictures) -> str:
    """Return, in one sentence, that a set of pictures has one class only; "" if it has more."""
    if len(pictures.names) > 1:
        return ""
    return f"The pictures in {pictures.source} have one class only, {pictures.names[0]!r}, so that any answer is right."


def _note(
    pictures: LabelledPictures,
    reading: Reading,
    metrics: dict[str, float],
    intervals: dict[str, tuple[float, float]],
    templates: int,
) -> str:
    low, high = intervals["top1"]
    absent = len(pictures.names) - len(set(reading.labels_N.tolist()))
    parts = [
        f"Each of {counted(len(reading.labels_N), 'picture')} in {pictures.source} gets the class whose text embedding,"
        f" the mean over {counted(templates, 'template')}, is most similar, out of {len(pictures.names):,}."
        f" {metrics['top1']:.1%} are right (95 % interval {low:.1%} to {high:.1%}); chance is {metrics['chance']:.1%}."
        f" Probabilities are off by {metrics['calibration_error']:.1%} on average (expected calibration error)."
    ]
    if absent:
        parts.append(
            f"{counted(absent, 'class', 'classes')} without pictures can be answered and do not count in recall."
        )
    if skipped := describe_skipped(reading.skipped):
        parts.append(f"{skipped}.")
    return " ".join(parts)


def _reliability_figure(reliability: Reliability) -> tuple[Figure | Table, ...]:
    kept = torch.nonzero(reliability.count_M)[:, 0]
    points = Points(reliability.confidence_M[kept].tolist(), reliability.right_M[kept].tolist())
    drawing = scatter(points, "Share of right answers", "confidence", "by confidence")
    note = (
        f"Answers are sorted by their probability into {len(reliability.count_M)} bins (arXiv 1706.04599). On the"
        " diagonal a model is right as often as it says; below it, it is too sure."
    )
    return (Figure("Reliability", drawing, note),)
