"""Results in the form of CLIP_benchmark, so that its tools can set them beside those of other models."""

from __future__ import annotations

import hashlib
import json
import os
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
    folder: Path | None = None
    """The run folder, in which the file of an earlier result may lie."""

    def files(self, metrics: Mapping[str, float], task: BenchmarkTask, source: str) -> dict[str, str]:
        """Return the file for a result on the pictures in the folder `source`: its name and its content.

        It is named after that folder. If that file is taken by another folder of the same name, the path is hashed
        into the name.
        """
        place = os.path.abspath(source)
        dataset = Path(place).name
        result = benchmark_result(metrics, task, dataset, self.model, self.pretrained) | {"source": place}
        name = f"{FILES[task]}-{dataset}"
        if self.folder and _read_source(self.folder / f"{name}.json") not in ("", place):
            name += f"-{hashlib.sha256(place.encode()).hexdigest()[:8]}"
        return {f"{name}.json": json.dumps(result)}


def _read_source(path: Path) -> str:
    """Return the folder of the pictures that a file was written for; "" if there is no file, or it does not say."""
    try:
        return str(json.loads(path.read_text("utf-8")).get("source", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def benchmark_result(
    metrics: Mapping[str, float], task: BenchmarkTask, dataset: str, model: str, pretrained: str
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
        "language": "en",
    }
