"""Where pixels lie, and interpolation between cells as products of matrices, in any window of a picture.

Shapes: B rows, H and W the cells of a grid, P and Q the rows and columns of pixels in a window, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Window:
    """Which pixels of each row's picture are decoded: all of it, or a part at a scale above 1."""

    top_B: Tensor
    """First row as a share of the picture's height; float. A multiple of a base pixel."""
    left_B: Tensor
    share: tuple[float, float]
    """Height and width of the window over the picture's."""
    scale: int
    """k: picture side over base side."""

    @staticmethod
    def whole(batch: int, scale: int, device: torch.device) -> Window:
        """The full picture of every row at scale k."""
        zero = torch.zeros(batch, device=device)
        return Window(zero, zero, (1.0, 1.0), scale)


def centres(start_B: Tensor, share: float, pixels: int) -> Tensor:
    """Normalised coordinates `(B, pixels)` of the pixel centres of a window."""
    unit = (torch.arange(pixels, dtype=start_B.dtype, device=start_B.device) + 0.5) / pixels
    return start_B[:, None] + share * unit


def interpolation(centre_BP: Tensor, cells: int) -> Tensor:
    """Bilinear weights `(B, P, cells)` from cell centres to the given coordinates (clamped at the border)."""
    place_BP1 = (centre_BP * cells - 0.5).clamp(0, cells - 1)[..., None]
    return (1 - (place_BP1 - torch.arange(cells, device=centre_BP.device)).abs()).clamp(min=0)


def resample(grid_BHWC: Tensor, rows_BPH: Tensor, columns_BQW: Tensor) -> Tensor:
    """Separable interpolation as two batched products: `(B, h, w, C) -> (B, P, Q, C)`.

    Columns first, while the picture is small; the large product then comes out in its final layout.
    """
    batch, height, width, channels = grid_BHWC.shape
    pixels = columns_BQW.shape[1]
    x = torch.bmm(columns_BQW, grid_BHWC.transpose(1, 2).reshape(batch, width, height * channels))
    x = x.view(batch, pixels, height, channels).transpose(1, 2).reshape(batch, height, pixels * channels)
    return torch.bmm(rows_BPH, x).view(batch, rows_BPH.shape[1], pixels, channels)


def coordinates(window: Window, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Normalised coordinates of a window's P rows `(B, P)` and Q columns `(B, Q)`, whose numbers are `size`."""
    return centres(window.top_B, window.share[0], size[0]), centres(window.left_B, window.share[1], size[1])
