"""How the packages that measure FID prepare pictures for the same Inception network.

The same weights give slightly different features, and distances, under each of them, so results are comparable only
under one convention.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from majolica.errors import unknown_name
from majolica.features.resize import (
    ANTIALIASED,
    LIKE_TENSORFLOW,
    PLAIN_BILINEAR,
    resize_antialiased,
    resize_bilinear,
    resize_like_tensorflow,
)

SIDE = 299
"""Height and width in pixels of what Inception v3 reads."""


@dataclass(frozen=True)
class Convention:
    """A named way of preparing pictures for Inception."""

    name: str
    resize: str
    """The resizing in words, for records."""
    prepare: Callable[[Tensor], Tensor]
    """Turns uint8 pictures `B3HW` into what the network reads: float32, `(B, 3, 299, 299)`, from about -1 to 1."""


def _prepare_like_torch_fidelity(images_B3HW: Tensor) -> Tensor:
    return (resize_like_tensorflow(images_B3HW, SIDE) - 128) / 128


def _prepare_like_pytorch_fid(images_B3HW: Tensor) -> Tensor:
    return 2 * resize_bilinear(images_B3HW, SIDE) - 1


def _prepare_like_clean_fid(images_B3HW: Tensor) -> Tensor:
    return (resize_antialiased(images_B3HW, SIDE) - 128) / 128


CONVENTIONS = {
    convention.name: convention
    for convention in (
        Convention("clean-fid", ANTIALIASED, _prepare_like_clean_fid),
        Convention("torch-fidelity", LIKE_TENSORFLOW, _prepare_like_torch_fidelity),
        Convention("pytorch-fid", PLAIN_BILINEAR, _prepare_like_pytorch_fid),
    )
}


def find_convention(name: str) -> Convention:
    """Return the convention called `name`. Raises UserError, with the nearest name, if there is none."""
    if name not in CONVENTIONS:
        raise unknown_name("convention of FID", name, CONVENTIONS)
    return CONVENTIONS[name]
