"""Saturation: how far colours are from grey."""

from torch import Tensor

from majolica.properties.property import Property

DARK = 0.2
"""Largest channel of a pixel, below which it counts less."""


def measure(images_B3HW: Tensor) -> Tensor:
    """Mean saturation of the HSV colour model, `(B,)` in [0, 1].

    Pixels darker than `DARK` count less, down to none for black, because their colour is not seen.
    """
    high_BHW, low_BHW = images_B3HW.amax(1), images_B3HW.amin(1)
    return ((high_BHW - low_BHW) / high_BHW.clamp(min=DARK)).mean((1, 2))


PROPERTY = Property("mean HSV saturation", 0.0, 0.9, measure)
