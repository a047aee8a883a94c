"""The interface of an evaluator, which measures a model for metrics.json and the report."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from majolica.errors import UserError
from majolica.sampling.request import PaintRequest


class PipelineLike(Protocol):
    """The part of `majolica.sampling.pipeline.Pipeline` that evaluators use."""

    def paint_request(self, request: PaintRequest) -> Tensor:
        """Return one uint8 picture per prompt, `B3HW`.

        A picture depends on its own prompt, properties, settings and seed alone.
        """

    def embed_images(self, images_B3HW: Tensor) -> Tensor:
        """Return embeddings `BE` of unit length of uint8 pictures."""

    def embed_labels(self, labels: Sequence[str]) -> Tensor:
        """Return embeddings `KE` of unit length of labels.

        Each is the mean over several sentences that contain the label.
        """


@dataclass(frozen=True)
class Split:
    """Pictures with their captions and metadata.

    `metas[i]["names"]` lists the things that picture `i` shows.
    """

    images_B3HW: Tensor
    captions: Sequence[str]
    metas: Sequence[Mapping[str, Any]]

    def __len__(self) -> int:
        return len(self.captions)

    def shown(self, i: int) -> list[str]:
        """Return the names of the things in picture `i`."""
        return list(self.metas[i]["names"])


@dataclass(frozen=True)
class EvalData:
    """What a model is evaluated on.

    `heldout` has renderings that training never showed, and `combinations` has pairs of a thing and
    a background that training never showed.
    """

    names: tuple[str, ...]
    heldout: Split
    combinations: Split
    larger: Callable[[int, int], EvalData | None] = lambda side, limit: None
    """Returns the first `limit` pictures of each split, `side` pixels large; None if they are stored smaller."""

    def prompts(self) -> Split:
        """Return the split whose captions are painted: `combinations`, else `heldout`.

        Raises UserError if both are empty.
        """
        if not (self.combinations or self.heldout):
            raise lacks_held_out("captions to paint")
        return self.combinations or self.heldout


@dataclass(frozen=True)
class Table:
    """A table of the report; its cells are plain text."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A figure of the report: HTML that the modules of `majolica.html` make."""

    title: str
    html: str
    note: str = ""


@dataclass(frozen=True)
class Result:
    """What an evaluator found.

    `metrics` goes to metrics.json; title, note and parts become a section of the report.
    """

    title: str
    metrics: dict[str, float]
    parts: Sequence[Figure | Table] = ()
    note: str = ""


def lacks_held_out(what: str) -> UserError:
    """Return the error for data without held-out samples, which every data set of `majolica data openmoji` has."""
    return UserError(f"there are no held-out {what}: make the data anew with `majolica data openmoji`")


class Evaluator(Protocol):
    """An object with a name that can be called with a pipeline and data."""

    @property
    def name(self) -> str:
        """A short name for the display of progress and time."""

    def paintings(self, data: EvalData) -> float:
        """Return how much it will paint, counted in pictures of the base resolution.

        The display of progress needs this number. It is 0 for an evaluator that paints nothing.
        """

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        """Evaluate the model. Raises UserError if the data do not suit the evaluator."""


def share_error(share: float, count: int) -> float:
    """Return half the width of the 95 % interval of a share that was seen in `count` trials.

    It is the y in "x ± y". The interval is Wilson's score interval ("Probable inference, the law of
    succession, and statistical inference", 1927).
    """
    z = 1.96
    return z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
