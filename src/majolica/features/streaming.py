"""Describing many pictures in batches that fit in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from majolica.errors import is_out_of_memory
from majolica.features.extractor import Extractor


def describe_all(
    extractor: Extractor, batches: Iterable[Tensor], progress: Callable[[int], None] | None = None
) -> Iterator[Tensor]:
    """Yield the features `(B, extractor.width)` of each batch of uint8 pictures `B3HW`, in their order.

    If memory runs out, a batch is described in halves, or halves of these, and later batches in parts of that size;
    the features are the same. `progress` is called with the number of pictures that have been described so far.
    Raises the error of the memory if not even a single picture fits.
    """
    most = 0
    done = 0
    for images_B3HW in batches:
        parts = [torch.empty(0, extractor.width)]
        rest_B3HW = images_B3HW
        while len(rest_B3HW):
            part_B3HW = rest_B3HW[: most or len(rest_B3HW)]
            features_BD = _try_to_describe(extractor, part_B3HW)
            if features_BD is None:
                most = len(part_B3HW) // 2
                continue
            parts.append(features_BD)
            rest_B3HW = rest_B3HW[len(part_B3HW) :]
            done += len(part_B3HW)
            if progress:
                progress(done)
        yield torch.cat(parts)


def _try_to_describe(extractor: Extractor, images_B3HW: Tensor) -> Tensor | None:
    """Return the features of pictures; None if there is not enough memory for so many."""
    try:
        return extractor.describe(images_B3HW)
    except (RuntimeError, MemoryError) as error:
        if len(images_B3HW) == 1 or not is_out_of_memory(error):
            raise
    # The error, which holds the tensors of the failed attempt, is gone here.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None
