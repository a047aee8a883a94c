"""Contrast: how far light and dark lie apart."""

from torch import Tensor

from majolica.properties.pixels import luma, root
from majolica.properties.property import Property


def measure(images_B3HW: Tensor) -> Tensor:
    """Standard deviation of the luma (RMS contrast), `(B,)` in [0, 0.5]."""
    return root(luma(images_B3HW).flatten(1).var(1, correction=0))


PROPERTY = Property("std of luma", 0.05, 0.35, measure)
