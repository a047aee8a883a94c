"""Paints for evaluators in parts, which may go to several processes, and reports the progress."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from majolica.callbacks import ReportProgress
from majolica.errors import Notice
from majolica.eval.halving import paint_in_halves
from majolica.eval.painting_cost import painting_cost
from majolica.eval.protocol import READING, PipelineLike
from majolica.eval.workers import Workers
from majolica.sampling.inputs import read_texts
from majolica.sampling.request import PaintRequest

PART = 16
"""The most pictures that one process paints at once."""
FEW = 4
"""The fewest pictures of a part, except for the last part of a call.

Smaller parts would take more time for each picture.
"""
JUDGE = 1000
"""The weight of the judges in the progress, in pictures.

About so many pictures could be painted in the time in which the three judges are trained. For the
recipe `demo` on two cores they take 223 seconds of one core, and two cores paint 9 pictures a second.
"""


@dataclass
class Workload:
    """How much of an evaluation is done, counted in pictures of the base resolution."""

    total: float
    progress: ReportProgress
    painted: float = 0.0
    judge_share: Callable[[], float] = field(default=lambda: 1.0)
    """Returns the share of the judges' training that is done, from 0 to 1."""
    _read: int = 0
    """Pictures of the set that is being read."""

    def note_reading(self, done: int, total: int) -> None:
        """Count a picture that was read and embedded; evaluators call it with how many they have read so far."""
        self.painted += READING * (done - self._read if done > self._read else done)
        self._read = done if done < total else 0
        self.show()

    def show(self) -> None:
        """Call `progress` with the work that is done and the whole work."""
        whole = round(self.total) + JUDGE
        self.progress(min(whole, round(self.painted + JUDGE * self.judge_share())), whole)


class Painters:
    """A pipeline for evaluators.

    It computes embeddings in this process. Pictures are painted by the workers, if there are any.
    """

    def __init__(self, pipeline: PipelineLike, resolution: int, workers: Workers | None, tally: Workload) -> None:
        self.pipeline, self.resolution, self.workers, self.tally = pipeline, resolution, workers, tally

    def paint_request(self, request: PaintRequest) -> Tensor:
        """Paint one picture per prompt, as the pipeline does, but in parts."""
        rows = cut_parts(len(read_texts(request.prompts)), self.workers.count if self.workers else 1, request.batch)
        parts = [request.part(some) for some in rows]
        unit = painting_cost(request.size, self.resolution)
        if self.workers is None:
            return torch.cat([self._paint_here(part, unit) for part in parts])
        futures = self.workers.paint(parts)
        for future, part in zip(futures, parts, strict=True):
            future.add_done_callback(partial(self._count, unit * part.batch))
        return torch.cat([torch.from_numpy(images) for images in self.workers.wait_for(futures, self.tally.show)])

    def _paint_here(self, part: PaintRequest, unit: float) -> Tensor:
        with warnings.catch_warnings():
            # The report itself marks sizes that are larger than trained.
            warnings.simplefilter("ignore", Notice)
            images_B3HW = paint_in_halves(self.pipeline.paint_request, part).cpu()
        self._count(unit * len(images_B3HW))
        self.tally.show()
        return images_B3HW

    def _count(self, units: float, _: object = None) -> None:
        self.tally.painted += units

    def embed_images(self, images_B3HW: Tensor) -> Tensor:
        """Do what the method of the pipeline does."""
        return self.pipeline.embed_images(images_B3HW)

    def embed_noisy(self, images_B3HW: Tensor, t: float, seeds: Sequence[int], predict: bool = False) -> Tensor:
        """Do what the method of the pipeline does."""
        return self.pipeline.embed_noisy(images_B3HW, t, seeds, predict)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Do what the method of the pipeline does."""
        return self.pipeline.embed_texts(texts)

    def embed_labels(self, labels: Sequence[str], templates: Sequence[str] | None = None) -> Tensor:
        """Do what the method of the pipeline does."""
        return self.pipeline.embed_labels(labels, templates)

    def choose_templates(self, labels: Sequence[str], templates: Sequence[str] | None = None) -> Sequence[str]:
        """Do what the method of the pipeline does."""
        return self.pipeline.choose_templates(labels, templates)

    def compare(self, images_BE: Tensor, labels_KE: Tensor) -> Tensor:
        """Do what the method of the pipeline does."""
        return self.pipeline.compare(images_BE, labels_KE)


def cut_parts(count: int, workers: int, batch: int) -> list[slice]:
    """Divide `count` pictures into parts, and return the rows of each.

    A part has at most `batch` and at most `PART` pictures. It is smaller if some workers would
    otherwise get none, but not smaller than `FEW`.
    """
    size = min(batch, PART, max(FEW, -(-count // workers)))
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
