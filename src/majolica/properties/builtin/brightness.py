"""Brightness: how light a picture is."""

from torch import Tensor

from majolica.properties.pixels import luma
from majolica.properties.property import Property


def measure(images_B3HW: Tensor) -> Tensor:
    """Mean luma, `(B,)` in [0, 1]."""
    return luma(images_B3HW).mean((1, 2))


PROPERTY = Property("mean luma", 0.1, 0.9, measure)
