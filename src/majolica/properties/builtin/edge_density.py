"""Edge density: how much of a picture is edges."""

from torch import Tensor

from majolica.properties.pixels import edge_strength
from majolica.properties.property import Property

STRONG = 0.1
"""Strength from which a pixel counts as an edge."""


def measure(images_B3HW: Tensor) -> Tensor:
    """Share of the pixels at which Sobel's gradient of the luma is strong, `(B,)` in [0, 1]."""
    return (edge_strength(images_B3HW) > STRONG).to(images_B3HW.dtype).mean((1, 2))


PROPERTY = Property("share of pixels at an edge", 0.0, 0.6, measure)
