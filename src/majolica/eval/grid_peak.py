"""Measures how visible the grid of patches is in pictures, from their power spectrum."""

from __future__ import annotations

import torch
from torch import Tensor

from majolica.properties.pixels import luma


def grid_peak(images_B3HW: Tensor, patch: int) -> float:
    """Return the highest relative peak of the power spectrum at a harmonic of the patch period.

    `images_B3HW` are uint8 or float pictures whose sides are multiples of `patch` pixels. The power
    of luma is averaged over pictures and lines, along rows and along columns. The power at each
    harmonic is divided by the mean power of the two frequencies beside it, and the largest ratio is
    the result; 1 means that there is no grid. Raises ValueError if a side has fewer than three
    patches, because a frequency beside one harmonic would then be another harmonic.
    """
    height, width = images_B3HW.shape[2:]
    if min(height, width) < 3 * patch or height % patch or width % patch:
        raise ValueError(f"pictures of {height} x {width} are not three or more patches of {patch} pixels each way")
    light_BHW = luma(images_B3HW.double())
    return max(_peak(light_BHW, patch), _peak(light_BHW.transpose(1, 2), patch))


def _peak(light_BHW: Tensor, patch: int) -> float:
    """Return the largest ratio along the last axis."""
    width = light_BHW.shape[2]
    # The full FFT also has the frequency above the highest harmonic, which rfft lacks.
    power_W = torch.fft.fft(light_BHW).abs().square().mean((0, 1))
    harmonics = torch.arange(1, patch // 2 + 1) * (width // patch)
    beside = (power_W[harmonics - 1] + power_W[harmonics + 1]) / 2
    tiny = torch.finfo(power_W.dtype).tiny  # a picture of one colour has no power except at frequency 0
    return float(((power_W[harmonics] + tiny) / (beside + tiny)).max())
