"""Painting with less at once where the memory does not suffice."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from majolica.eval.halving import paint_in_halves
from majolica.sampling.request import PaintRequest


def painter(limit: int, asked: list[int]) -> object:
    def paint(request: PaintRequest) -> Tensor:
        asked.append(request.batch)
        if request.batch > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return torch.arange(len(request.prompts))

    return paint


def test_the_batch_is_halved_until_it_fits_and_every_picture_is_painted() -> None:
    asked: list[int] = []
    found = paint_in_halves(painter(3, asked), PaintRequest(["a"] * 20, batch=16))  # type: ignore[arg-type]
    assert asked == [16, 8, 4, 2] and found.tolist() == list(range(20))


def test_a_picture_that_does_not_fit_alone_is_an_error() -> None:
    asked: list[int] = []
    with pytest.raises(torch.OutOfMemoryError):
        paint_in_halves(painter(0, asked), PaintRequest(["a"], batch=2))  # type: ignore[arg-type]
    assert asked == [2, 1]


def test_other_errors_are_not_tried_again() -> None:
    def broken(request: PaintRequest) -> Tensor:
        raise RuntimeError("the model is broken")

    with pytest.raises(RuntimeError, match="broken"):
        paint_in_halves(broken, PaintRequest(["a"], batch=8))
