"""Reference pictures as callers give them, and as the model's own perception sees them.

Shapes: B prompts, K pictures, which is 1 or B; F features of `majolica.models.reference`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from majolica.data.pictures.frame import Fit
from majolica.errors import UserError
from majolica.models.conditions import Reference
from majolica.models.majolica import Majolica
from majolica.sampling.images import Picture, Pictures, read_pictures
from majolica.sampling.inputs import check_one_or_each, take_rows

TOGETHER = 64
"""Pictures that are read at once."""


def read_references(given: Pictures, count: int, model: Majolica, how: Fit, device: torch.device) -> Reference:
    """The references of `count` prompts: one picture for all, or one for each, fitted to squares as `how` says.

    The model looks at each picture alone, so that what it sees does not depend on the other pictures. Raises
    UserError for a model without the adapter, for a picture that cannot be read, and for another number of them.
    """
    if not model.reference_adapters:
        raise UserError(
            "this run has not learned to follow a reference picture: teach it with `majolica extend RUN --reference`"
        )
    seen = []
    for images_B3HW in read_pictures(list_pictures(given, count), model.config.resolution, how, TOGETHER):
        seen += [model.summarise(image_13HW.to(device) * 2 - 1) for image_13HW in torch.split(images_B3HW, 1)]
    features_BF = torch.cat(seen).expand(count, -1)
    return Reference(features_BF, torch.ones(count, dtype=torch.bool, device=device))


def list_pictures(given: Pictures, count: int) -> list[Picture]:
    """The references of `count` prompts one by one: one for all, or one for each.

    Raises UserError for another number of them, and for what is no picture.
    """
    if isinstance(given, str | Path | Image.Image):
        return [given]
    if isinstance(given, bytes | Mapping | Set) or not isinstance(given, Iterable):
        raise UserError(f"the reference is of type {type(given).__name__}: give a path, a Pillow image, or an array")
    items = [given] if isinstance(given, Tensor | np.ndarray) and given.ndim < 4 else list(given)
    # An item of a list may be a batch, which is as many pictures as it has rows.
    batches = [list(item) if isinstance(item, Tensor | np.ndarray) and item.ndim == 4 else [item] for item in items]
    pictures = [picture for batch in batches for picture in batch]
    check_one_or_each(pictures, count, "reference", "picture")
    return pictures


def take_references(given: Pictures | None, count: int, rows: slice) -> Pictures | None:
    """The references for some of `count` prompts; one for all of them stays what it is."""
    if given is None:
        return None
    return take_rows(list_pictures(given, count), rows)


def tell_apart(reference: Reference | None, count: int) -> list[bytes]:
    """Bytes for each of `count` rows, which are equal where the pictures look equal to the model."""
    if reference is None:
        return [b""] * count
    return [features_F.numpy().tobytes() for features_F in reference.features_BF.cpu()]
