"""Pictures of any proportions into a frame: cut, padded or stretched."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from majolica.data.pictures.frame import Fit, Shape, scale_of


def fit(image: NDArray[np.uint8], target: Shape, how: Fit = "crop") -> Tensor:
    """Scale a picture, H x W x 3, to `target` (bicubic, antialiased): uint8, 3 x H x W, channels last.

    "crop" cuts the centre in the target's proportions; "pad" keeps all of it, centred on white; "stretch" keeps all
    of it and gives up its proportions. What need not be scaled is a view of `image`.
    """
    if how == "crop":
        image = image[_centre(image.shape[:2], target)]
    inner = _inside(image.shape[:2], target) if how == "pad" else target
    pixels_3HW = torch.from_numpy(image).permute(2, 0, 1)
    if image.shape[:2] != inner:
        pixels_3HW = F.interpolate(pixels_3HW[None], inner, mode="bicubic", antialias=True, align_corners=False)[0]
    if inner == target:
        return pixels_3HW
    framed_3HW = torch.full((*target, 3), 255, dtype=torch.uint8).permute(2, 0, 1)
    top, left = (target[0] - inner[0]) // 2, (target[1] - inner[1]) // 2
    framed_3HW[:, top : top + inner[0], left : left + inner[1]] = pixels_3HW
    return framed_3HW


def _centre(size: Shape, target: Shape) -> tuple[slice, slice]:
    height, width = size
    scale = scale_of(size, target, "crop")
    cut_height, cut_width = min(height, round(target[0] * scale)), min(width, round(target[1] * scale))
    top, left = (height - cut_height) // 2, (width - cut_width) // 2
    return slice(top, top + cut_height), slice(left, left + cut_width)


def _inside(size: Shape, target: Shape) -> Shape:
    """The largest frame of the picture's proportions that lies within the target."""
    scale = scale_of(size, target, "pad")
    height, width = (max(1, min(most, round(side / scale))) for side, most in zip(size, target, strict=True))
    return height, width
