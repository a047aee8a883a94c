"""Measures of detail in pictures that are painted larger than the base resolution.

Shapes: B pictures, H and W their sides in pixels, 3 colours.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from majolica.properties.pixels import luma


def seam_index(images_B3HW: Tensor, period: int, every: int = 1) -> float:
    """Return how much larger steps are where tokens meet than elsewhere; 1 means that no seam shows.

    It is the mean absolute difference of luma between neighbours on both sides of the lines that are
    multiples of `period` pixels, over that at the lines around them, or at those of them that are
    multiples of `every` pixels, along rows or along columns, whichever is larger. The pictures are uint8 or float.
    Raises ValueError if there is no such line inside of a picture.
    """
    height, width = images_B3HW.shape[2:]
    if period < 2 or min(height, width) <= period:
        raise ValueError(f"pictures of {height} x {width} have no seam every {period} pixels")
    light_BHW = luma(images_B3HW.double())
    return max(_seams(light_BHW, period, every), _seams(light_BHW.transpose(1, 2), period, every))


def _seams(light_BHW: Tensor, period: int, every: int) -> float:
    """Return the ratio along the last axis."""
    step_W = light_BHW.diff(dim=2).abs().mean((0, 1))
    line_W = torch.arange(1, len(step_W) + 1)  # line i lies between the pixels i - 1 and i
    at_seam_W = line_W % period == 0
    # As far on both sides of every seam, because pictures have fewer steps near their borders.
    near_W = (line_W >= period / 2) & (line_W <= light_BHW.shape[2] - period / 2)
    elsewhere_W = ~at_seam_W & near_W & (line_W % every == 0)
    tiny = torch.finfo(step_W.dtype).tiny  # a picture of one colour has no steps
    return float((step_W[at_seam_W].mean() + tiny) / (step_W[elsewhere_W].mean() + tiny))


def octave_powers(images_B3HW: Tensor, scale: int) -> list[float]:
    """Return the mean power of luma in every octave above the Nyquist frequency of the base picture.

    `scale` is k: the base picture has frequencies up to 1 / (2 k) cycles a pixel. The octaves are
    those up to 1/2 cycle a pixel, from the lowest on; the last is shorter if k is no power of 2.
    Frequencies are radial, and those in the corners, beyond 1/2, do not count.
    """
    light_BHW = luma(images_B3HW.double())
    height, width = light_BHW.shape[1:]
    power_HW = torch.fft.fft2(light_BHW).abs().square().mean(0) / (height * width)
    rows, columns = torch.fft.fftfreq(height).double(), torch.fft.fftfreq(width).double()
    radius_HW = (rows[:, None].square() + columns.square()).sqrt()
    lows = [2.0**i / (2 * scale) for i in range(math.ceil(math.log2(scale)))]
    return [float(power_HW[(radius_HW > low) & (radius_HW <= min(0.5, 2 * low) + 1e-9)].mean()) for low in lows]


def octave_ratios(painted_B3HW: Tensor, real_B3HW: Tensor, scale: int) -> list[float]:
    """Return the power of painted pictures over that of real ones in each of the octaves of `octave_powers`."""
    painted, real = octave_powers(painted_B3HW, scale), octave_powers(real_B3HW, scale)
    return [a / max(b, torch.finfo(torch.float64).tiny) for a, b in zip(painted, real, strict=True)]
