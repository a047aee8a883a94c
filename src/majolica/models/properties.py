"""Visual properties that a user can set: what each is, its range, and how it is measured.

A new property is one entry of `PROPERTIES`. A measure is a pure function of pixels in [0, 1], so
the same code labels training rows and judges generated pictures.

Shapes: B images, 3 colours, H and W pixels of an image, P all its pixels, 2 opponent colours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from majolica.errors import UserError

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def luma(images_B3HW: Tensor) -> Tensor:
    """BT.601 luma, `(B, H, W)` in [0, 1]."""
    red, green, blue = images_B3HW.unbind(1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def brightness(images_B3HW: Tensor) -> Tensor:
    """Mean luma, `(B,)` in [0, 1]."""
    return luma(images_B3HW).mean((1, 2))


def contrast(images_B3HW: Tensor) -> Tensor:
    """Standard deviation of the luma (RMS contrast), `(B,)` in [0, 0.5]."""
    return luma(images_B3HW).flatten(1).std(1, correction=0)


def colourfulness(images_B3HW: Tensor) -> Tensor:
    """M3 of Hasler and Suesstrunk (SPIE 2003, equation 9), `(B,)`, for pixels in [0, 1]."""
    red, green, blue = images_B3HW.unbind(1)
    opponent_B2P = torch.stack((red - green, (red + green) / 2 - blue), 1).flatten(2)
    spread = opponent_B2P.var(2, correction=0).sum(1).sqrt()
    shift: Tensor = torch.linalg.vector_norm(opponent_B2P.mean(2), dim=1)
    return spread + 0.3 * shift


@dataclass(frozen=True)
class Property:
    """One property: its unit, its range in that unit, and its measure `(B, 3, H, W) -> (B,)`."""

    unit: str
    low: float
    high: float
    measure: Callable[[Tensor], Tensor]


PROPERTIES: dict[str, Property] = {
    "brightness": Property("mean luma", 0.1, 0.9, brightness),
    "contrast": Property("std of luma", 0.05, 0.35, contrast),
    "colourfulness": Property("Hasler-Suesstrunk M3", 0.05, 0.6, colourfulness),
}


def measure(name: str, images_B3HW: Tensor) -> Tensor:
    """Measure one property of `images_B3HW` in [0, 1]; `(B,)` in the property's unit.

    Raises UserError for an unknown property.
    """
    if name not in PROPERTIES:
        raise UserError(f"unknown property {name!r}; known: {', '.join(PROPERTIES)}")
    return PROPERTIES[name].measure(images_B3HW)


def measure_all(names: tuple[str, ...], images_B3HW: Tensor) -> Tensor:
    """Measure several properties; `(B, len(names))`."""
    if not names:
        return images_B3HW.new_zeros(len(images_B3HW), 0)
    return torch.stack([measure(name, images_B3HW) for name in names], 1)
