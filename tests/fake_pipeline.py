"""A trained run that nobody trained."""

from __future__ import annotations

import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from majolica.callbacks import ReportProgress
from majolica.errors import Notice
from majolica.recipes import recipe
from majolica.sampling.request import DeliverPictures, PaintRequest

SIDE = recipe("nano").model.resolution


class FakePipeline:
    """Paints flat pictures numbered by prompt, embeds the mean colour, always prefers the last label."""

    resolution = SIDE
    fit = "crop"
    asked: tuple[Any, ...] = ()
    templates: tuple[str, ...] | None = None

    @classmethod
    def load(cls, run: Path, more_adapters: object = ()) -> FakePipeline:
        assert run == Path("runs/demo")
        return cls()

    def paint_request(self, request: PaintRequest, progress: ReportProgress, deliver: DeliverPictures) -> None:
        named = {field.name: getattr(request, field.name) for field in fields(request)}
        prompts, size, properties = (named.pop(name) for name in ("prompts", "size", "properties"))
        FakePipeline.asked = (prompts, size, properties, named)
        warnings.warn("this is small", Notice, stacklevel=2)
        progress(1, 1)
        side = int(size or SIDE)
        shades_B = torch.arange(len(prompts), dtype=torch.uint8) * 100
        for place, shade in enumerate(shades_B):
            deliver(place, shade.expand(1, 3, side, side))

    def embed_images(self, images_B3HW: Tensor) -> Tensor:
        assert images_B3HW.dtype == torch.uint8
        assert images_B3HW.shape[1:] == (3, SIDE, SIDE)
        return images_B3HW.double().mean((2, 3)) / 255

    def embed_texts(self, texts: list[str]) -> Tensor:
        return torch.eye(3)[: len(texts)]

    def embed_labels(self, labels: list[str], templates: tuple[str, ...] | None = None) -> Tensor:
        FakePipeline.templates = templates
        return torch.arange(1.0, 1 + len(labels))

    def compare(self, images_BE: Tensor, labels_K: Tensor) -> Tensor:
        return (labels_K / labels_K.sum()).expand(len(images_BE), -1)
