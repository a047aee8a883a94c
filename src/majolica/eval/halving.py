"""Paints with smaller batches where the memory does not suffice for larger ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from majolica.errors import is_out_of_memory
from majolica.sampling.request import PaintRequest


def paint_in_halves(paint: Callable[[PaintRequest], Tensor], request: PaintRequest) -> Tensor:
    """Paint what a request asks for; each time that memory runs out, with half as many pictures at once.

    A picture depends on its own prompt and seed alone, so the pictures are the same up to rounding (1 of 255).
    Raises what `paint` raises, also for a single picture that is too large for the memory.
    """
    while True:
        try:
            return paint(request)
        except Exception as error:
            if request.batch <= 1 or not is_out_of_memory(error):
                raise
            request = replace(request, batch=request.batch // 2)
        torch.cuda.empty_cache()  # outside of the handler, which would keep the tensors of the failed batch
