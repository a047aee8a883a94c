"""Saturation: how far colours are from grey."""

from torch import Tensor

from majolica.properties.property import Property


def measure(images_B3HW: Tensor) -> Tensor:
    """Mean saturation of the HSV colour model, `(B,)` in [0, 1]; black has none."""
    high_BHW, low_BHW = images_B3HW.amax(1), images_B3HW.amin(1)
    return ((high_BHW - low_BHW) / high_BHW.clamp(min=1e-6)).mean((1, 2))


PROPERTY = Property("mean HSV saturation", 0.0, 0.9, measure)
