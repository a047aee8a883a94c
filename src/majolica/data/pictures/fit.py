"""Fitting pictures of any proportions into a frame, by cutting, padding or stretching."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from majolica.data.pictures.frame import Fit, Shape, scale_of


def fit_picture(image: NDArray[np.uint8], target: Shape, how: Fit = "crop") -> Tensor:
    """Scale a picture, H x W x 3, to `target` (bicubic, antialiased). Returns uint8, 3 x H x W, channels last in
    memory.

    "crop" cuts out the centre in the proportions of the target, "pad" keeps all of the picture, centred on white, and
    "stretch" keeps all of it and changes its proportions. If nothing has to be scaled, the result is a view of `image`.
    """
    if how == "crop":
        image = image[_centre(image.shape[:2], target)]
    inner = _inside(image.shape[:2], target) if how == "pad" else target
    pixels_3HW = torch.from_numpy(image).permute(2, 0, 1)
    if image.shape[:2] != inner:
        # Torch fails at 1 x 1 pixels if the channels come first in memory, as they do in pictures that were painted.
        pixels_13HW = pixels_3HW[None].contiguous(memory_format=torch.channels_last)
        pixels_3HW = F.interpolate(pixels_13HW, inner, mode="bicubic", antialias=True, align_corners=False)[0]
    if inner == target:
        return pixels_3HW
    framed_3HW = torch.full((*target, 3), 255, dtype=torch.uint8).permute(2, 0, 1)
    top, left = (target[0] - inner[0]) // 2, (target[1] - inner[1]) // 2
    framed_3HW[:, top : top + inner[0], left : left + inner[1]] = pixels_3HW
    return framed_3HW


def _centre(size: Shape, target: Shape) -> tuple[slice, slice]:
    height, width = size
    scale = scale_of(size, target, "crop")
    cut_height, cut_width = (max(1, min(most, round(side * scale))) for side, most in zip(target, size, strict=True))
    top, left = (height - cut_height) // 2, (width - cut_width) // 2
    return slice(top, top + cut_height), slice(left, left + cut_width)


def _inside(size: Shape, target: Shape) -> Shape:
    """Return the largest frame that has the proportions of the picture and lies within the target."""
    scale = scale_of(size, target, "pad")
    height, width = (max(1, min(most, round(side / scale))) for side, most in zip(size, target, strict=True))
    return height, width
