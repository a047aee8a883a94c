"""Retrieval: pictures look for their captions among all captions, and captions for their pictures.

Shapes: N pictures, T captions, E numbers of an embedding, P pairs, Q queries, 2 places of a pair.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from majolica.data.loading.split import load_split
from majolica.data.pictures.frame import Fit
from majolica.errors import UserError
from majolica.eval.embedders import image_embeddings, text_embeddings
from majolica.eval.labelled.captions import CaptionedPictures, pair_captions
from majolica.eval.labelled.clip_benchmark import BenchmarkedModel
from majolica.eval.labelled.ranks import (
    best_ranks,
    chance_of_recall,
    group_interval,
    weighted_median,
    weighted_recall,
)
from majolica.eval.protocol import EvalData, PipelineLike, Result, Split, Table, no_held_out_error
from majolica.plurals import counted

DEPTHS = (1, 5, 10)
"""The K of recall at K."""


def load_captioned(folder: Path, side: int, fit: Fit, limit: int | None = None) -> Split:
    """Read the pictures of a folder of shards with their captions, as squares of `side` pixels, for `Retrieval`.

    All pictures are in memory: 5,000 of 224 pixels take 750 MB. Raises UserError if none can be read.
    """
    return Split(*load_split(folder, limit, side, fit))


@dataclass(frozen=True)
class Retrieval:
    """Recall at 1, 5 and 10 and the median rank, from pictures to captions and back.

    A picture counts as found if any of its captions is, as for COCO and Flickr30k (Karpathy and Fei-Fei, arXiv
    1412.2306), and a caption if any picture is found that it belongs to; captions of equal words are one caption.
    """

    split: Split | None = None
    """Pictures with captions; None stands for those that the run holds out."""
    fit: str = ""
    """How pictures of other proportions were fitted, for the protocol."""
    source: str = ""
    """The folder of the pictures, after which the file for CLIP_benchmark is named; "" for those of the run."""
    model: BenchmarkedModel = field(default_factory=BenchmarkedModel)
    name: str = "retrieval"

    def count_paintings(self, data: EvalData) -> float:
        """Return 0, because nothing is painted."""
        return 0

    def explain_lack(self, data: EvalData) -> str:
        """Return that there are no pictures with captions, if so."""
        return "" if len(self._split(data)) else "There are no held-out pictures with captions."

    def _split(self, data: EvalData) -> Split:
        return data.heldout if self.split is None else self.split

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        split = self._split(data)
        if not len(split):
            raise no_held_out_error("captions to find")
        known = pair_captions(split)
        if len(known.captions) < 2 or len(known.rows) < 2:
            raise UserError(
                f"retrieval needs two different pictures and two different captions, and there are"
                f" {counted(len(known.rows), 'picture')} and {counted(len(known.captions), 'caption')}: give more"
            )
        images_NE = image_embeddings(pipeline, split.images_B3HW[list(known.rows)])
        texts_TE = text_embeddings(pipeline, known.captions)
        swapped_P2 = known.pairs_P2.flip(1)
        swapped_P2 = swapped_P2[swapped_P2[:, 0].argsort(stable=True)]
        ways = {
            "image_to_text": _Way(images_NE, texts_TE, known.pairs_P2, torch.arange(len(known.rows))),
            "text_to_image": _Way(texts_TE, images_NE, swapped_P2, _first_targets(swapped_P2)),
        }
        metrics: dict[str, float] = {}
        intervals: dict[str, tuple[float, float]] = {}
        rows = []
        for name, way in ways.items():
            found, bounds, chances = way.measure()
            metrics |= {f"{name}_{key}": value for key, value in found.items()}
            metrics |= {f"{name}_chance_{key}": value for key, value in chances.items()}
            intervals |= {f"{name}_{key}": value for key, value in bounds.items()}
            rows += _table_rows(name, found, bounds, chances)
        table = Table("Recall", ("from", "measure", "value", "95 % interval", "chance"), rows)
        files = self.model.files(metrics, "zeroshot_retrieval", self.source) if self.source else {}
        protocol = self._record(known, data)
        return Result("Retrieval", metrics, (table,), _note(known, metrics), protocol, intervals, files=files)

    def _record(self, known: CaptionedPictures, data: EvalData) -> dict[str, Any]:
        return {
            "pictures": len(known.rows),
            "captions": len(known.captions),
            "pairs_sha256": known.sha256,
            "data_held_out": None if self.split is not None else not data.trained_on,
            "fit": self.fit,
            "lines_are_captions": False,  # so that earlier results can still be compared
        }


@dataclass(frozen=True)
class _Way:
    """One direction of retrieval."""

    queries_QE: Tensor
    targets_TE: Tensor
    pairs_P2: Tensor
    groups_Q: Tensor
    """The picture of each query, for the bootstrap."""

    def measure(self) -> tuple[dict[str, float], dict[str, tuple[float, float]], dict[str, float]]:
        """Return metrics, their 95 % intervals, and the recalls of a random order."""
        ranks_Q = best_ranks(self.queries_QE, self.targets_TE, self.pairs_P2)
        order_Q = ranks_Q.argsort(stable=True)
        ranks, groups_Q = ranks_Q[order_Q].numpy(), self.groups_Q[order_Q]
        statistics: dict[str, Callable[[NDArray[np.int64]], float]] = {
            **{f"r{k}": partial(weighted_recall, ranks, k=k) for k in DEPTHS},
            "median_rank": partial(weighted_median, ranks),
        }
        once = np.ones(len(ranks), np.int64)
        queries, targets = len(self.queries_QE), len(self.targets_TE)
        return (
            {name: statistic(once) for name, statistic in statistics.items()},
            {name: group_interval(statistic, groups_Q) for name, statistic in statistics.items()},
            {f"r{k}": chance_of_recall(self.pairs_P2, queries, targets, k) for k in DEPTHS},
        )


def _first_targets(pairs_P2: Tensor) -> Tensor:
    """Return the first target of each query, from pairs that are sorted by query; groups are numbered without gaps."""
    starts_Q = torch.searchsorted(pairs_P2[:, 0].contiguous(), torch.arange(int(pairs_P2[-1, 0]) + 1))
    places_Q: Tensor = torch.unique(pairs_P2[starts_Q, 1], return_inverse=True)[1]
    return places_Q


def _table_rows(
    name: str, found: dict[str, float], bounds: dict[str, tuple[float, float]], chances: dict[str, float]
) -> list[list[str]]:
    start = "picture to caption" if name == "image_to_text" else "caption to picture"
    rows = []
    for key, value in found.items():
        low, high = bounds[key]
        if key in chances:
            rows.append([start, f"R@{key[1:]}", f"{value:.1%}", f"{low:.1%} to {high:.1%}", f"{chances[key]:.1%}"])
        else:
            rows.append([start, "median rank", f"{value:g}", f"{low:g} to {high:g}", ""])
    return rows


def _note(known: CaptionedPictures, metrics: dict[str, float]) -> str:
    return (
        f"{counted(len(known.rows), 'picture')} and {counted(len(known.captions), 'different caption')} are compared."
        f" The most similar caption is right for {metrics['image_to_text_r1']:.1%} of the pictures, and the"
        f" most similar picture for {metrics['text_to_image_r1']:.1%} of the captions. Intervals are bootstraps over"
        " pictures with their captions."
    )
