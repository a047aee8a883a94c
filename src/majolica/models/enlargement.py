"""The smooth enlargement of a base picture, from which details begin.

It is bicubic, and corrected once so that its means over cells are nearly those of the base picture (back-projection;
Irani and Peleg, 1991). What is left when the means are taken away are then details, and not steps between the cells.

Shapes: B pictures, H and W their sides in pixels, P and Q the rows and columns of pixels in a window.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.models.interpolation import Window, coordinates, interpolation, resample
from majolica.models.pooling import pool

CELLS = 3
"""Cells, its own counted, along which a pixel depends on the means that `project_back` corrects."""
SHARPNESS = 0.75
"""Of the kernel of Keys (1981), without sign; the usual one of bicubic interpolation in torch."""


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


def average(weights_BPH: Tensor, scale: int) -> Tensor:
    """The weights `(B, H, H)` of the means over cells of `scale` pixels each, for those of a whole picture."""
    batch, pixels, cells = weights_BPH.shape
    return weights_BPH.view(batch, pixels // scale, scale, cells).mean(2)


def snap(centre_BP: Tensor, pixels: int) -> Tensor:
    """The centres of the pixels, of `pixels` in the whole picture, in which coordinates lie: the same in any window."""
    return ((centre_BP * pixels).floor() + 0.5) / pixels


def enlarge(base_B3HW: Tensor, window: Window, size: Sequence[int]) -> Tensor:
    """The base picture, enlarged smoothly, in a window of `size` pixels; float32 or better.

    In bfloat16, to which autocast would round the products, details would not average to zero over cells.
    """
    height, width = base_B3HW.shape[-2:]
    with torch.autocast(base_B3HW.device.type, enabled=False):
        base_BHW3 = base_B3HW.permute(0, 2, 3, 1)
        base_BHW3 = base_BHW3.float() if base_BHW3.dtype == torch.bfloat16 else base_BHW3
        row_BP, column_BQ = (places.to(base_BHW3.dtype) for places in coordinates(window, size))
        rows_BPH = cubic(snap(row_BP, height * window.scale), height)
        columns_BQW = cubic(snap(column_BQ, width * window.scale), width)
        large = resample(correct_means(base_BHW3, window.scale), rows_BPH, columns_BQW)
    return large.permute(0, 3, 1, 2)


def correct_means(base_BHW3: Tensor, scale: int) -> Tensor:
    """The picture whose enlargement has means over cells that are nearer to `base_BHW3`."""
    sides = base_BHW3.shape[1:3]
    whole = Window.whole(len(base_BHW3), scale, base_BHW3.device)
    centres = coordinates(whole, [side * scale for side in sides])
    rows_BHH, columns_BWW = (
        average(cubic(places.to(base_BHW3.dtype), side), scale) for places, side in zip(centres, sides, strict=True)
    )
    return 2 * base_BHW3 - resample(base_BHW3, rows_BHH, columns_BWW)


def project_back(large_B3PQ: Tensor, base_B3HW: Tensor, window: Window) -> Tensor:
    """The pixels of a window, moved smoothly to where their means over cells are nearly those of the base picture.

    What the means miss is enlarged and added. If it were added to whole cells alone, every cell would show.
    """
    scale, sides = window.scale, base_B3HW.shape[-2:]
    with torch.autocast(base_B3HW.device.type, enabled=False):
        large_B3PQ = large_B3PQ.float() if large_B3PQ.dtype == torch.bfloat16 else large_B3PQ
        row_BP, column_BQ = coordinates(window, [side // scale for side in large_B3PQ.shape[-2:]])
        rows_BPH, columns_BQW = (
            interpolation(centre.to(large_B3PQ.dtype), side)
            for centre, side in zip((row_BP, column_BQ), sides, strict=True)
        )
        base_BHW3 = base_B3HW.to(large_B3PQ.dtype).permute(0, 2, 3, 1)
        missed_B3PQ = resample(base_BHW3, rows_BPH, columns_BQW).permute(0, 3, 1, 2) - pool(large_B3PQ, scale)
        smooth_B3PQ = F.interpolate(missed_B3PQ, scale_factor=scale, mode="bicubic", align_corners=False)
    return large_B3PQ + smooth_B3PQ
