"""The interface of an evaluator, which measures a model for metrics.json and the report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from torch import Tensor

from majolica.data.loading.split import space_evenly
from majolica.errors import UserError
from majolica.metrics.intervals import wilson_interval
from majolica.sampling.request import PaintRequest
from majolica.text.articles import with_article

READING = 0.025
"""What reading and embedding a picture takes, in pictures that are painted in 20 steps."""
NO_PROPERTIES = "The run was trained without properties that are measured on pictures."


class PipelineLike(Protocol):
    """The part of `majolica.sampling.pipeline.Pipeline` that evaluators use."""

    def paint_request(self, request: PaintRequest) -> Tensor:
        """Return one uint8 picture per prompt, `B3HW`.

        A picture depends on its own prompt, properties, settings and seed alone.
        """

    def embed_images(self, images_B3HW: Tensor) -> Tensor:
        """Return embeddings `BE` of unit length of uint8 pictures."""

    def embed_noisy(self, images_B3HW: Tensor, t: float, seeds: Sequence[int], predict: bool = False) -> Tensor:
        """Return embeddings `BE` of unit length of uint8 pictures that are noisy as at flow time `t`.

        With `predict`, what is embedded is the clean picture that the model predicts from the noisy one.
        """

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Return embeddings `BE` of unit length of captions."""

    def embed_labels(self, labels: Sequence[str], templates: Sequence[str] | None = None) -> Tensor:
        """Return embeddings `KE` of unit length of labels.

        Each is the mean over several sentences that contain the label, those of `classify` if `templates` is None.
        """

    def choose_templates(self, labels: Sequence[str], templates: Sequence[str] | None = None) -> Sequence[str]:
        """Return those of the templates that `embed_labels` uses for these labels: in them no label is cut off."""

    def compare(self, images_BE: Tensor, labels_KE: Tensor) -> Tensor:
        """Return probabilities `BK` of labels from embeddings."""


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

    def choose(self, rows: Sequence[int]) -> Split:
        """Return some of the pictures, with their captions and metadata."""
        captions, metas = [self.captions[i] for i in rows], [self.metas[i] for i in rows]
        return Split(self.images_B3HW[list(rows)], captions, metas)

    def shown(self, i: int) -> list[str]:
        """Return the names of the things in picture `i`; none if they are not known."""
        return list(self.metas[i].get("names") or ())


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
    drawn: bool = False
    """Whether these are the drawings of `majolica data openmoji`, so that judges can learn to name them."""
    trained_on: bool = False
    """Whether training showed these pictures, because the run has none that are held out."""

    @cached_property
    def sha256(self) -> str:
        """The hash of all names, pictures and captions: equal hashes mean the same data."""
        found = hashlib.sha256(json.dumps(list(self.names)).encode())
        for split in (self.heldout, self.combinations):
            found.update(
                json.dumps(
                    [list(split.images_B3HW.shape), list(split.captions), [split.shown(i) for i in range(len(split))]]
                ).encode()
            )
            found.update(split.images_B3HW.contiguous().numpy().tobytes())
        return found.hexdigest()

    @property
    def record(self) -> dict[str, Any]:
        """What a protocol says of these data."""
        return {"data_sha256": self.sha256, "data_held_out": not self.trained_on}

    def explain_no_captions(self) -> str:
        """Return that there is no caption to paint, or ""."""
        return "" if self.combinations or self.heldout else "There are no captions to paint."

    def explain_trained_on(self) -> str:
        """Return that training showed these pictures, or ""."""
        return "The pictures to compare with were trained on, because the run has none held out." * self.trained_on

    def explain_no_names(self) -> str:
        """Return that it is not known what the held-out pictures show, or ""."""
        known = self.names and any(self.heldout.shown(i) for i in range(len(self.heldout)))
        return "" if known else "The data have no held-out pictures of which it is known what they show."

    def explain_no_drawings(self) -> str:
        """Return that the data are not the drawings that judges can name, or ""."""
        if not self.drawn:
            return "Its judges learn to name the drawings of `majolica data openmoji`, and these are other data."
        return self.explain_no_captions()

    def plain_prompts(self, count: int) -> list[str]:
        """Return up to `count` prompts, evenly spaced: the names with their articles, else captions."""
        source = [with_article(name) for name in self.names] or list(dict.fromkeys(self.prompts().captions))
        return [source[i] for i in space_evenly(len(source), count)]

    def prompts(self) -> Split:
        """Return the split whose captions are painted: `combinations`, else `heldout`.

        Raises UserError if both are empty.
        """
        if not (self.combinations or self.heldout):
            raise no_held_out_error("captions to paint")
        return self.combinations or self.heldout

    def reference_split(self) -> Split:
        """Return the split with which painted pictures are compared: `heldout`, else `combinations`, even if empty."""
        return self.heldout or self.combinations


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
    protocol: Mapping[str, Any] = field(default_factory=dict)
    """All that must be equal in two results before they may be compared; values that JSON can hold."""
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The 95 % interval, low and high, of those metrics for which one is known."""
    self_judged: tuple[str, ...] = ()
    """Those metrics that the model measures with its own embeddings: they do not compare models."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Further files for the run folder, such as the form that another tool reads: name and content."""


def no_held_out_error(what: str) -> UserError:
    """Return the error for data without held-out samples, which every data set of `majolica data openmoji` has."""
    return UserError(f"there are no held-out {what}: make the data anew with `majolica data openmoji`")


def same_metrics_error(first: str, second: str) -> UserError:
    """Return the error for two evaluators of one evaluation that write a metric of the same name."""
    return UserError(
        f"{first} and {second} write metrics of the same names, of which one would be lost: evaluate them one after"
        " the other"
    )


class Evaluator(Protocol):
    """An object with a name that can be called with a pipeline and data."""

    @property
    def name(self) -> str:
        """A short name for the display of progress and time."""

    def count_paintings(self, data: EvalData) -> float:
        """Return how much it will paint, counted in pictures of the base resolution.

        The display of progress needs this number. It is 0 for an evaluator that paints nothing.
        """

    def explain_lack(self, data: EvalData) -> str:
        """Return what the data lack that it needs, in one sentence; "" if they lack nothing."""

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        """Evaluate the model. Raises UserError if the data do not suit the evaluator."""


def share_error(share: float, count: int) -> float:
    """Return half the width of the 95 % interval of a share that was seen in `count` trials.

    It is the y in "x ± y". The interval is that of `wilson_interval`.
    """
    low, high = wilson_interval(share, count)
    return (high - low) / 2
