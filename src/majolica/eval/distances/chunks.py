"""Paints captions in chunks whose features are kept, so that an evaluation that is interrupted goes on."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from majolica import __version__
from majolica.errors import Notice
from majolica.eval.brush import Brush
from majolica.eval.distances.describe import describe_pictures
from majolica.eval.distances.image_text import image_text_scores
from majolica.eval.protocol import PipelineLike
from majolica.eval.records import describe_code
from majolica.features.extractor import Extractor
from majolica.features.resize import REFERENCE, prepare_reference
from majolica.files import write_atomic

SHOWN = 24
"""Pictures from the beginning of the list that are kept for the report."""


@dataclass(frozen=True)
class PaintedChunks:
    """What is known of painted pictures; the pictures themselves are not kept, but for the first ones."""

    features_BD: Tensor
    scores_B: Tensor
    """The image-text scores, see `image_text_scores`."""
    shown_B3HW: Tensor
    """The first `SHOWN` pictures, scaled down to those that the extractor saw if they are larger."""


@dataclass(frozen=True)
class ChunkPainter:
    """Paints captions, and computes the features of the pictures at `side` pixels."""

    captions: Sequence[str]
    extractor: Extractor
    brush: Brush
    weights: str
    """SHA-256 of the model's weights."""
    size: int
    """Side of the painted pictures in pixels."""
    side: int
    """Side in pixels of the pictures that are described."""
    cache: Path | None = None
    """Folder of the features of painted chunks; nothing is kept if it is None."""
    chunk: int = 250

    def facts(self) -> dict[str, Any]:
        """Return how the pictures are made, whatever they show; it belongs into the protocol of a result."""
        return {
            "painted_size": self.size,
            "painted_side": self.side,
            "painted_resize": REFERENCE,
            "painted_format": "pixels, not compressed",
            **self.brush.record,
            "majolica": __version__,
        }

    def paint_all(self, pipeline: PipelineLike) -> PaintedChunks:
        """Paint all captions, or take the features of those that an earlier call has painted.

        The picture of caption i has the seed of the brush plus i, so a longer list begins with the
        pictures of a shorter one. At most one chunk of pictures is in memory.
        """
        parts = [self._load(start) or self._paint(pipeline, start) for start in self._starts()]
        return PaintedChunks(
            torch.cat([part.features_BD for part in parts]),
            torch.cat([part.scores_B for part in parts]),
            torch.cat([part.shown_B3HW for part in parts]),
        )

    def count_missing(self) -> int:
        """Return how many pictures `paint_all` would paint."""
        return sum(len(self._rows(start)) for start in self._starts() if self._load(start) is None)

    def _starts(self) -> Iterator[int]:
        return iter(range(0, len(self.captions), self.chunk))

    def _rows(self, start: int) -> list[str]:
        return list(self.captions[start : start + self.chunk])

    def _paint(self, pipeline: PipelineLike, start: int) -> PaintedChunks:
        texts = self._rows(start)
        brush = replace(self.brush, seed=self.brush.seed + start)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Notice)  # nobody who evaluates wrote the captions
            images_B3HW = brush.paint(pipeline, texts, self.size)
        squares_B3SS = torch.stack(
            [prepare_reference(image.permute(1, 2, 0).contiguous().numpy(), self.side) for image in images_B3HW]
        )
        painted = PaintedChunks(
            describe_pictures(self.extractor, squares_B3SS),
            image_text_scores(pipeline, images_B3HW, texts),
            (images_B3HW if self.size <= self.side else squares_B3SS)[: max(0, SHOWN - start)].clone(),
        )
        if self.cache is not None:
            _save_chunk(self._path(self.cache, start), painted, self._key(start))
        return painted

    def _load(self, start: int) -> PaintedChunks | None:
        """Return what an earlier call found, if it is whole and was written with the same key."""
        if self.cache is None:
            return None
        return _load_chunk(self._path(self.cache, start), self._key(start), len(self._rows(start)))

    def _key(self, start: int) -> dict[str, Any]:
        """Return all on which the features of a chunk depend."""
        return {
            **self.facts(),
            "seed": self.brush.seed + start,
            "weights": self.weights,
            "captions": self._rows(start),
            "extractor": self.extractor.name,
            "extractor_record": dict(self.extractor.record),
            "code": describe_code(),
            "shown": max(0, SHOWN - start),
        }

    def _path(self, cache: Path, start: int) -> Path:
        mark = hashlib.sha256(json.dumps(self._key(start), sort_keys=True).encode()).hexdigest()
        return cache / f"painted-{start:06d}-{mark[:24]}.safetensors"


def _save_chunk(path: Path, painted: PaintedChunks, key: dict[str, Any]) -> None:
    tensors = {name: value.contiguous() for name, value in vars(painted).items()}
    write_atomic(path, save(tensors, {"key": json.dumps(key, sort_keys=True)}))


def _load_chunk(path: Path, key: dict[str, Any], count: int) -> PaintedChunks | None:
    try:
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("key") != json.dumps(key, sort_keys=True):
                return None
            painted = PaintedChunks(*(file.get_tensor(field.name) for field in fields(PaintedChunks)))
    except (OSError, SafetensorError):
        return None
    return painted if len(painted.features_BD) == count else None
