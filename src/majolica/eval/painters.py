"""Painting for evaluation, in parts that may go to several processes, and with progress."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from majolica.errors import Notice
from majolica.eval.protocol import PipelineLike
from majolica.eval.workers import Workers
from majolica.sampling.inputs import read_texts
from majolica.sampling.request import PaintRequest

PART = 16
"""Most pictures that one process paints at once."""
FEW = 4
"""Pictures that a part has at least, except the last part of a call.

Fewer would take longer, because pictures that are painted one by one do.
"""
JUDGE = 150
"""About the number of pictures that could be painted while the judge is trained.

It is the judge's share of the progress.
"""


@dataclass
class Workload:
    """How much of an evaluation is done, counted in pictures of the base resolution."""

    total: float
    tell: Callable[[int, int], None]
    painted: float = 0.0
    judged: Callable[[], float] = field(default=lambda: 1.0)
    """Share of the judge's training that is done."""

    def show(self) -> None:
        """Tell `tell` how much is done, and of how much."""
        whole = round(self.total) + JUDGE
        self.tell(min(whole, round(self.painted + JUDGE * self.judged())), whole)


class Painters:
    """A pipeline for evaluators.

    It embeds by itself, and has its pictures painted by workers if there are any.
    """

    def __init__(self, pipeline: PipelineLike, resolution: int, workers: Workers | None, tally: Workload) -> None:
        self.pipeline, self.resolution, self.workers, self.tally = pipeline, resolution, workers, tally

    def paint_request(self, request: PaintRequest) -> Tensor:
        """One picture per prompt, as the pipeline paints them, but in parts."""
        rows = cut(len(read_texts(request.prompts)), self.workers.count if self.workers else 1, request.batch)
        parts = [request.part(some) for some in rows]
        unit = ((request.size or self.resolution) / self.resolution) ** 2
        if self.workers is None:
            return torch.cat([self._paint_here(part, unit) for part in parts])
        futures = self.workers.paint(parts)
        for future, part in zip(futures, parts, strict=True):
            future.add_done_callback(partial(self._count, unit * part.batch))
        return torch.cat([torch.from_numpy(images) for images in self.workers.wait_for(futures, self.tally.show)])

    def _paint_here(self, part: PaintRequest, unit: float) -> Tensor:
        with warnings.catch_warnings():
            # Headings of the report say which sizes are larger than trained.
            warnings.simplefilter("ignore", Notice)
            images_B3HW = self.pipeline.paint_request(part).cpu()
        self._count(unit * len(images_B3HW))
        self.tally.show()
        return images_B3HW

    def _count(self, units: float, _: object = None) -> None:
        self.tally.painted += units

    def embed_images(self, images_B3HW: Tensor) -> Tensor:
        """As the pipeline's."""
        return self.pipeline.embed_images(images_B3HW)

    def embed_labels(self, labels: Sequence[str]) -> Tensor:
        """As the pipeline's."""
        return self.pipeline.embed_labels(labels)


def cut(count: int, workers: int, batch: int) -> list[slice]:
    """The rows of each part of `count` pictures.

    A part has at most `batch` and `PART` pictures, and so few that every worker has some.
    """
    size = min(batch, PART, max(FEW, -(-count // workers)))
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
