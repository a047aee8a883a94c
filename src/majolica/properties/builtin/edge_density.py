"""Edge density: how much of a picture is edges."""

from torch import Tensor

from majolica.properties.pixels import edge_strength
from majolica.properties.property import Property

WEAK, STRONG = 0.05, 0.15
"""Strengths up to which a pixel is no edge, and from which it is one; in between it counts in part."""


def measure(images_B3HW: Tensor) -> Tensor:
    """Share of the pixels at which Sobel's gradient of the luma is strong, `(B,)` in [0, 1]."""
    return ((edge_strength(images_B3HW) - WEAK) / (STRONG - WEAK)).clamp(0, 1).mean((1, 2))


PROPERTY = Property("share of pixels at an edge", 0.0, 0.6, measure)
