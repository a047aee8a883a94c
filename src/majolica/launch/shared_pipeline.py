"""Has all ranks of a training paint and embed for the evaluators, which run on the first rank alone.

The first rank tells the others what to do, and each does its share of the rows: every picture is painted by one rank,
whatever their number. An evaluator that fails therefore fails on one rank, and the others hear that it has ended.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from majolica.distributed.group import Group
from majolica.errors import Notice
from majolica.eval.halving import paint_in_halves
from majolica.sampling.inputs import read_texts
from majolica.sampling.pipeline import Pipeline
from majolica.sampling.request import PaintRequest

END = "end"


@dataclass(frozen=True)
class SharedPipeline:
    """What evaluators use on the first rank; the other ranks are in `serve_first_rank`."""

    pipeline: Pipeline
    group: Group

    def paint_request(self, request: PaintRequest) -> Tensor:
        """Paint one picture per prompt, each on one rank."""
        rows = cut_evenly(len(read_texts(request.prompts)), self.group.world)
        return self._share("paint", [request.part(some) if some.stop > some.start else None for some in rows])

    def embed_images(self, images_B3HW: Tensor) -> Tensor:
        """Do what the method of the pipeline does, each picture on one rank."""
        rows = cut_evenly(len(images_B3HW), self.group.world)
        return self._share("embed", [images_B3HW[some] if some.stop > some.start else None for some in rows])

    def embed_noisy(self, images_B3HW: Tensor, t: float, seeds: Sequence[int], predict: bool = False) -> Tensor:
        """Do what the method of the pipeline does, on the first rank."""
        return self.pipeline.embed_noisy(images_B3HW, t, seeds, predict)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Do what the method of the pipeline does, on the first rank."""
        return self.pipeline.embed_texts(texts)

    def embed_labels(self, labels: Sequence[str], templates: Sequence[str] | None = None) -> Tensor:
        """Do what the method of the pipeline does, on the first rank."""
        return self.pipeline.embed_labels(labels, templates)

    def choose_templates(self, labels: Sequence[str], templates: Sequence[str] | None = None) -> Sequence[str]:
        """Do what the method of the pipeline does."""
        return self.pipeline.choose_templates(labels, templates)

    def compare(self, images_BE: Tensor, labels_KE: Tensor) -> Tensor:
        """Do what the method of the pipeline does."""
        return self.pipeline.compare(images_BE, labels_KE)

    def _share(self, task: str, parts: list[Any]) -> Tensor:
        if self.group.world == 1:
            own: Tensor = _work(self.pipeline, task, parts[0])
            return own
        dist.broadcast_object_list([(task, parts)], 0)
        found = _gather(partial(_work, self.pipeline, task, parts[0]), self.group)
        for part in found:
            if isinstance(part, Exception):
                raise part
        return torch.cat([torch.from_numpy(part) for part in found if part is not None])

    def close(self) -> None:
        """Tell the other ranks that the evaluation has ended."""
        if self.group.world > 1:
            dist.broadcast_object_list([(END, [])], 0)


def serve_first_rank(pipeline: Pipeline, group: Group) -> None:
    """Do what the first rank asks for, until it closes its `SharedPipeline`; for every other rank."""
    while True:
        message: list[Any] = [None]
        dist.broadcast_object_list(message, 0)
        task, parts = message[0]
        if task == END:
            return
        _gather(partial(_work, pipeline, task, parts[group.rank]), group)


def cut_evenly(count: int, ranks: int) -> list[slice]:
    """Cut `count` rows into one part for each rank; the parts differ by one row at most, and some may be empty."""
    ends = [count * rank // ranks for rank in range(ranks + 1)]
    return [slice(start, end) for start, end in pairwise(ends)]


def _work(pipeline: Pipeline, task: str, part: Any) -> Any:
    if part is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)
        if task == "paint":
            return paint_in_halves(pipeline.paint_request, part)
        return pipeline.embed_images(part).cpu()


def _gather(work: Callable[[], Any], group: Group) -> list[Any]:
    """Return what `work` returns on every rank, as arrays, or the exception that it raises."""
    try:
        done = work()
        own: Any = None if done is None else done.float().numpy() if done.is_floating_point() else done.numpy()
    except Exception as error:  # the first rank raises it; here it would leave the others waiting
        own = error
    found: list[Any] = [None] * group.world
    dist.all_gather_object(found, own)
    return found
