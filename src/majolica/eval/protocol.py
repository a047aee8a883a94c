"""What an evaluator is: it turns a model into named metrics, and into figures and tables for the report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from majolica.sampling.request import PaintRequest


class PipelineLike(Protocol):
    """The part of `majolica.sampling.pipeline.Pipeline` that evaluators use."""

    def paint_request(self, request: PaintRequest) -> Tensor:
        """One uint8 picture per prompt, `B3HW`.

        A picture depends on its own prompt, properties, settings and seed alone.
        """

    def embed_images(self, images_B3HW: Tensor) -> Tensor:
        """Unit-length embeddings `BE` of uint8 pictures."""

    def embed_labels(self, labels: Sequence[str]) -> Tensor:
        """Unit-length embeddings `KE` of labels, each averaged over the sentences that it is put into."""


@dataclass(frozen=True)
class Split:
    """Pictures with their captions and what is known about them (`metas[i]["names"]`: the things shown)."""

    images_B3HW: Tensor
    captions: Sequence[str]
    metas: Sequence[Mapping[str, Any]]

    def __len__(self) -> int:
        return len(self.captions)

    def shown(self, i: int) -> list[str]:
        """Names of the things in picture `i`."""
        return list(self.metas[i]["names"])


@dataclass(frozen=True)
class EvalData:
    """What a model is evaluated on: names, unseen renderings, unseen pairs of thing and background."""

    names: tuple[str, ...]
    heldout: Split
    combinations: Split

    def prompts(self) -> Split:
        """The split whose captions are painted: combinations where there are any."""
        return self.combinations if len(self.combinations) else self.heldout


@dataclass(frozen=True)
class Table:
    """A table of the report; cells are shown as they are."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A figure of the report: HTML without any link to the outside (see `majolica.html.figures`)."""

    title: str
    html: str
    note: str = ""


@dataclass(frozen=True)
class Result:
    """What an evaluator found. `metrics` goes to metrics.json, the rest becomes a section of the report."""

    title: str
    metrics: dict[str, float]
    parts: Sequence[Figure | Table] = ()
    note: str = ""


class Evaluator(Protocol):
    """Anything with a name that can be called with a pipeline and data."""

    @property
    def name(self) -> str:
        """A short word for progress and timing."""

    def paintings(self, data: EvalData) -> float:
        """How much it will paint, in pictures of the base resolution, for progress: 0 where it paints nothing."""

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        """Evaluate; `UserError` when the data do not fit."""


def share_error(share: float, count: int) -> float:
    """Half-width of the 95 % interval of a share seen in `count` trials (Wilson 1927), for "x % ± y"."""
    z = 1.96
    return z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
