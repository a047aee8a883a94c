"""How a base picture is enlarged smoothly, and how the means of a larger picture are corrected to be those of its base.

Both are bicubic. Where means over cells are corrected cell by cell, every cell shows; what they miss is therefore
enlarged too before it is added (back-projection; Irani and Peleg, "Improving resolution by image registration", 1991).

Shapes: B pictures, H and W the sides of the base picture, P and Q the rows and columns of pixels in a window.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.models.interpolation import Window, coordinates, interpolation, resample
from majolica.models.pooling import pool

CELLS = 3
"""Cells, its own counted, along which a pixel depends on the means that `correct_means` corrects."""
SHARPNESS = 0.75
"""Of the kernel of Keys (1981), without sign; the one of bicubic interpolation in torch."""


def enlarge(base_B3HW: Tensor, window: Window, size: Sequence[int]) -> Tensor:
    """The base picture, enlarged by bicubic interpolation, in a window of `size` pixels; float32 or better.

    In bfloat16, to which autocast would round the products, details would not average to zero over cells.
    """
    height, width = base_B3HW.shape[-2:]
    with torch.autocast(base_B3HW.device.type, enabled=False):
        base_BHW3 = _widen(base_B3HW).permute(0, 2, 3, 1)
        row_BP, column_BQ = (places.to(base_BHW3.dtype) for places in coordinates(window, size))
        rows_BPH = cubic(snap(row_BP, height * window.scale), height)
        columns_BQW = cubic(snap(column_BQ, width * window.scale), width)
        return resample(base_BHW3, rows_BPH, columns_BQW).permute(0, 3, 1, 2)


def correct_means(large_B3PQ: Tensor, base_B3HW: Tensor, window: Window) -> Tensor:
    """The pixels of a window, moved smoothly to where their means over cells are nearly those of the base picture."""
    scale, (height, width) = window.scale, base_B3HW.shape[-2:]
    with torch.autocast(base_B3HW.device.type, enabled=False):
        large_B3PQ = _widen(large_B3PQ)
        base_BHW3 = base_B3HW.to(large_B3PQ.dtype).permute(0, 2, 3, 1)
        row_BP, column_BQ = coordinates(window, [side // scale for side in large_B3PQ.shape[-2:]])
        rows_BPH = interpolation(row_BP.to(large_B3PQ.dtype), height)  # of the centres of cells: the cells themselves
        columns_BQW = interpolation(column_BQ.to(large_B3PQ.dtype), width)
        missed_B3PQ = resample(base_BHW3, rows_BPH, columns_BQW).permute(0, 3, 1, 2) - pool(large_B3PQ, scale)
        return large_B3PQ + F.interpolate(missed_B3PQ, scale_factor=scale, mode="bicubic", align_corners=False)


def cubic(centre_BP: Tensor, cells: int) -> Tensor:
    """Bicubic weights `(B, P, cells)` from cell centres to the given coordinates; the border goes on beyond it."""
    place_BP1 = (centre_BP * cells - 0.5)[..., None]
    around = 2  # cells beyond either border that the kernel reaches
    every = torch.arange(-around, cells + around, device=centre_BP.device)
    away = (place_BP1 - every).abs()
    near = ((2 - SHARPNESS) * away - (3 - SHARPNESS)) * away**2 + 1
    far = -SHARPNESS * (((away - 5) * away + 8) * away - 4)
    weights = torch.where(away <= 1, near, torch.where(away < 2, far, 0.0))
    inner = weights[..., around:-around].clone()
    inner[..., 0] += weights[..., :around].sum(-1)
    inner[..., -1] += weights[..., -around:].sum(-1)
    return inner


def snap(centre_BP: Tensor, pixels: int) -> Tensor:
    """The centres of the pixels, of `pixels` in the whole picture, in which coordinates lie: the same in any window."""
    return ((centre_BP * pixels).floor() + 0.5) / pixels


def _widen(images: Tensor) -> Tensor:
    return images.float() if images.dtype == torch.bfloat16 else images
