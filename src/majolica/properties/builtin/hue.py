"""Hue: the dominant colour, as an angle on the colour circle."""

import torch
from torch import Tensor

from majolica.properties.property import Property

LEAST_CHROMA = 0.02
"""Where the mean colour is closer to grey than this, a picture has no hue."""


def measure(images_B3HW: Tensor) -> Tensor:
    """Hue of the mean colour in degrees, `(B,)` in [0, 360): red 0, green 120, blue 240; NaN for a grey picture.

    Every pixel counts by its chroma, so that grey ones say nothing. The hue of the mean is the angle in
    the plane of colours in which the hexagon of HSV is regular (Hanbury, "Constructing cylindrical
    coordinate colour spaces", 2008).
    """
    red, green, blue = images_B3HW.mean((2, 3)).unbind(1)
    across, up = red - (green + blue) / 2, (green - blue) * 3**0.5 / 2
    angle_B = torch.rad2deg(torch.atan2(up, across)) % 360
    return torch.where(torch.hypot(across, up) < LEAST_CHROMA, torch.nan, angle_B)


PROPERTY = Property("degrees of hue", 0.0, 360.0, measure, circular=True)
