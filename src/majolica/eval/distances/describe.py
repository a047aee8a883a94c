"""Features of uint8 pictures that lie in memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from majolica.eval.protocol import PipelineLike
from majolica.features.extractor import Extractor
from majolica.features.streaming import describe_all

PERCEPTION = "perception"
"""The name of the extractor that the evaluated model itself is."""
TOGETHER = 64
"""Pictures that an extractor gets at once."""


def describe_pictures(extractor: Extractor, images_B3HW: Tensor) -> Tensor:
    """Return the features `BD` of uint8 pictures, float32 on the CPU, which are computed in parts."""
    parts = (images_B3HW[at : at + TOGETHER] for at in range(0, len(images_B3HW), TOGETHER))
    return torch.cat([torch.zeros(0, extractor.width), *describe_all(extractor, parts)])


def own_extractor(pipeline: PipelineLike) -> Extractor:
    """Return an extractor whose features are the image embeddings of the evaluated model itself.

    They need no further weights, and compare settings of one model: two models measure themselves with
    different rulers.
    """
    width = pipeline.embed_images(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)).shape[1]
    return Extractor(
        name=PERCEPTION,
        width=width,
        describe=lambda images_B3HW: pipeline.embed_images(images_B3HW).float().cpu(),
        record={},
        canonical=False,
        title="FD (the model's own perception)",
    )


ExtractorSource = Extractor | Callable[[PipelineLike], Extractor]
"""An extractor, or a function that makes one of the evaluated model, such as `own_extractor`."""


def choose_extractor(source: ExtractorSource, pipeline: PipelineLike) -> Extractor:
    """Return the extractor of a source."""
    return source if isinstance(source, Extractor) else source(pipeline)
