"""Results in the form of CLIP_benchmark, so that its tools can set them beside those of other models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

BenchmarkTask = Literal["zeroshot_classification", "zeroshot_retrieval"]
CLASSIFICATION = {
    "acc1": "labelled_top1",
    "acc5": "labelled_top5",
    "mean_per_class_recall": "labelled_mean_per_class_recall",
}
"""Metrics of CLIP_benchmark, and what `LabelledZeroShot` calls them."""
RETRIEVAL = {
    f"{theirs}_retrieval_recall@{k}": f"{ours}_r{k}"
    for theirs, ours in (("image", "text_to_image"), ("text", "image_to_text"))
    for k in (1, 5, 10)
}
"""The same for `Retrieval`. CLIP_benchmark calls it image retrieval if a caption looks for its picture."""
FILES: Mapping[BenchmarkTask, str] = {
    "zeroshot_classification": "clip_benchmark",
    "zeroshot_retrieval": "clip_benchmark_retrieval",
}
"""What the name of a file begins with, so that two tasks on one folder have two files."""


@dataclass(frozen=True)
class BenchmarkedModel:
    """What a model and its weights are called in the form of CLIP_benchmark."""

    model: str = "majolica"
    pretrained: str = ""

    def files(self, metrics: Mapping[str, float], task: BenchmarkTask, source: str) -> dict[str, str]:
        """Return the file for a result on the pictures in the folder `source`: its name and its content."""
        dataset = Path(source).name
        result = benchmark_result(metrics, task, dataset, self.model, self.pretrained)
        return {f"{FILES[task]}-{dataset}.json": json.dumps(result)}


def benchmark_result(
    metrics: Mapping[str, float], task: BenchmarkTask, dataset: str, model: str, pretrained: str, language: str = "en"
) -> dict[str, object]:
    """Return what CLIP_benchmark (github.com/LAION-AI/CLIP_benchmark) writes for one model and one data set.

    `metrics` are those of the evaluator of the task. One that it does not have, such as top-5 of five classes, is null.
    """
    names = CLASSIFICATION if task == "zeroshot_classification" else RETRIEVAL
    return {
        "dataset": dataset,
        "model": model,
        "pretrained": pretrained,
        "task": task,
        "metrics": {theirs: metrics.get(ours) for theirs, ours in names.items()},
        "language": language,
    }
