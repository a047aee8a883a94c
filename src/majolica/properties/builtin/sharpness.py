"""Sharpness: how much of a picture is fine detail, whatever its contrast."""

import torch
from torch import Tensor

from majolica.properties.pixels import filter_luma, luma, root
from majolica.properties.property import Property

BINOMIAL = (0.25, 0.5, 0.25)
LEAST_CONTRAST = 0.01
"""A picture with less contrast than this has no sharpness."""


def measure(images_B3HW: Tensor) -> Tensor:
    """Share of the luma's standard deviation that a 3 x 3 binomial blur takes away, `(B,)`; NaN for a flat picture."""
    plain_BHW = luma(images_B3HW)
    fine_B = (plain_BHW - filter_luma(images_B3HW, BINOMIAL, BINOMIAL)).square().mean((1, 2))
    contrast_B = root(plain_BHW.flatten(1).var(1, correction=0))
    return torch.where(contrast_B < LEAST_CONTRAST, torch.nan, root(fine_B) / contrast_B.clamp(min=LEAST_CONTRAST))


PROPERTY = Property("share of the luma's std that a blur takes away", 0.0, 0.8, measure)
