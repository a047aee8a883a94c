"""Flat pictures whose level of grey says what they show, and a model that reads it.

Class k of `NAMES` is of level 10 + 20 k. The model's embeddings are unit vectors along axis k.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from picture_files import encoded

NAMES = ("red apple", "dolphin", "cactus", "umbrella", "fox", "owl", "crane")


def level(k: int) -> int:
    return 10 + 20 * k


def flat(k: int, kind: str = "PNG", mark: int = 0) -> bytes:
    """A picture of class k, as a file. Pictures with different marks have different bytes and look the same."""
    pixels = np.full((8, 8, 3), level(k), np.uint8)
    pixels[0, 0] += mark
    return encoded(Image.fromarray(pixels), kind)


def class_of(images_B3HW: Tensor) -> Tensor:
    return ((images_B3HW.float().mean((1, 2, 3)) - 10) / 20).round().long().clamp(0, len(NAMES) - 1)


class Seer:
    """Sees every picture as what it is, but for the keys of `mistakes`. It notes what it is asked."""

    def __init__(self, mistakes: dict[int, int] | None = None, kept: int | None = None) -> None:
        self.mistakes, self.kept = mistakes or {}, kept
        self.labels: list[Sequence[str]] = []
        self.noisy: list[tuple[float, tuple[int, ...], bool]] = []

    def embed_images(self, images_B3HW: Tensor) -> Tensor:
        assert images_B3HW.dtype == torch.uint8
        seen = [self.mistakes.get(k, k) for k in class_of(images_B3HW).tolist()]
        return torch.eye(len(NAMES))[seen]

    def embed_noisy(self, images_B3HW: Tensor, t: float, seeds: Sequence[int], predict: bool = False) -> Tensor:
        """From t = 0.5 on it sees, and from 0.3 on in what it predicts; before that all are red apples."""
        self.noisy.append((t, tuple(seeds), predict))
        return self.embed_images(images_B3HW if t >= (0.3 if predict else 0.5) else images_B3HW * 0 + level(0))

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        rows = [next(k for k, name in enumerate(NAMES) if name in text.lower()) for text in texts]
        return torch.eye(len(NAMES))[rows]

    def embed_labels(self, labels: Sequence[str], templates: Sequence[str] | None = None) -> Tensor:
        self.labels.append(tuple(labels))
        return self.embed_texts(labels)

    def choose_templates(self, labels: Sequence[str], templates: Sequence[str] | None = None) -> Sequence[str]:
        return (templates or ())[: self.kept]

    def compare(self, images_BE: Tensor, labels_KE: Tensor) -> Tensor:
        return (images_BE @ labels_KE.T * 3).softmax(1)
