"""The pixel decoder (the glaze): a small network at full resolution whose shape knows neither patch nor resolution.

It reads the noisy pixels and the base-resolution estimate, is modulated by per-token features interpolated to pixels,
and adds what the tokens could not say. It works on any window, so training can decode a crop of a large picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from majolica.config.schema import DecoderConfig

HARMONICS = 2
INPUTS = 3 + 3 + 4 * HARMONICS + 1  # noisy pixels, estimate, intra-token coordinates, log2(k)


@dataclass(frozen=True)
class Window:
    """Which pixels of each row's picture are decoded, and at what scale."""

    top_B: Tensor
    """First row as a share of the picture's height; float."""
    left_B: Tensor
    scale_B: Tensor
    """k: picture side over base side; float."""
    share: tuple[Tensor, Tensor]
    """Height and width of the window as shares of the picture's; each `(B,)`."""

    @staticmethod
    def whole(batch: int, scale: float, device: torch.device) -> Window:
        """The full picture of every row at scale k."""
        zero, one = torch.zeros(batch, device=device), torch.ones(batch, device=device)
        return Window(zero, zero, one * scale, (one, one))


def centres(start_B: Tensor, share_B: Tensor, pixels: int) -> Tensor:
    """Normalised coordinates `(B, pixels)` of the pixel centres of a window."""
    unit = (torch.arange(pixels, device=start_B.device) + 0.5) / pixels
    return start_B[:, None] + share_B[:, None] * unit


def interpolation(centre_BP: Tensor, cells: int) -> Tensor:
    """Bilinear weights `(B, P, cells)` from cell centres to the given coordinates (clamped at the border)."""
    place_BP1 = (centre_BP * cells - 0.5).clamp(0, cells - 1)[..., None]
    return (1 - (place_BP1 - torch.arange(cells, device=centre_BP.device)).abs()).clamp(min=0)


def resample(grid_BHWC: Tensor, rows_BPH: Tensor, columns_BQW: Tensor) -> Tensor:
    """Separable interpolation as two batched products: `(B, h, w, C) -> (B, P, Q, C)`."""
    batch, height, width, channels = grid_BHWC.shape
    x = torch.bmm(rows_BPH, grid_BHWC.reshape(batch, height, width * channels))
    x = x.view(batch * x.shape[1], width, channels)
    columns = columns_BQW.repeat_interleave(rows_BPH.shape[1], 0)
    return torch.bmm(columns, x).view(batch, rows_BPH.shape[1], columns_BQW.shape[1], channels)


class PixelBlock(nn.Module):
    """Residual pointwise perceptron with adaLN from the interpolated token features (DeCo, arXiv 2511.19365)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x_BHWC: Tensor, shift_BHWC: Tensor, scale_BHWC: Tensor) -> Tensor:
        normed = F.layer_norm(x_BHWC, x_BHWC.shape[-1:])
        out: Tensor = x_BHWC + self.down(F.silu(self.up(torch.addcmul(shift_BHWC, normed, 1 + scale_BHWC))))
        return out


class PixelDecoder(nn.Module):
    """Tokens and noisy pixels -> the clean image in a window."""

    def __init__(self, config: DecoderConfig, width_token: int) -> None:
        super().__init__()
        self.width, self.depth = config.width, config.depth
        self.enter = nn.Conv2d(INPUTS, config.width, 3, padding=1)
        self.modulation = nn.Linear(width_token, 2 * config.width * config.depth)
        self.blocks = nn.ModuleList(PixelBlock(config.width) for _ in range(config.depth))
        self.leave = nn.Conv2d(config.width, 3, 3, padding=1)
        for layer in (self.modulation, self.leave):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, token_BHWD: Tensor, estimate_B3HW: Tensor, pixels_B3HW: Tensor, window: Window) -> Tensor:
        """Clean pixels of the window, the shape of `pixels_B3HW` (noisy, scaled to unit variance).

        `token_BHWD` are the token states on their grid, `estimate_B3HW` what they say at the base resolution.
        """
        height, width = pixels_B3HW.shape[-2:]
        row_BP = centres(window.top_B, window.share[0], height)
        column_BQ = centres(window.left_B, window.share[1], width)
        base_B3HW = resample(
            estimate_B3HW.permute(0, 2, 3, 1),
            interpolation(row_BP, estimate_B3HW.shape[2]),
            interpolation(column_BQ, estimate_B3HW.shape[3]),
        ).permute(0, 3, 1, 2)
        grid_height, grid_width = token_BHWD.shape[1:3]
        modulation_BHWM = resample(
            self.modulation(token_BHWD),
            interpolation(row_BP, grid_height),
            interpolation(column_BQ, grid_width),
        )
        coordinates = intra_token(row_BP * grid_height, column_BQ * grid_width, window.scale_B)
        x = self.enter(torch.cat((pixels_B3HW, base_B3HW.detach(), coordinates), 1)).permute(0, 2, 3, 1)
        pieces = modulation_BHWM.chunk(2 * self.depth, -1)
        for index, block in enumerate(self.blocks):
            x = block(x, pieces[2 * index], pieces[2 * index + 1])
        out: Tensor = base_B3HW + self.leave(x.permute(0, 3, 1, 2))
        return out


def intra_token(row_BP: Tensor, column_BQ: Tensor, scale_B: Tensor) -> Tensor:
    """Where a pixel lies inside its token (periodic Fourier features) and log2(k): `(B, 4 * HARMONICS + 1, P, Q)`."""
    shape = (len(row_BP), row_BP.shape[1], column_BQ.shape[1])
    features = [torch.log2(scale_B)[:, None, None].expand(shape)]
    for harmonic in range(1, HARMONICS + 1):
        for angle in (row_BP[:, :, None], column_BQ[:, None, :]):
            phase = 2 * math.pi * harmonic * angle
            features += [phase.sin().expand(shape), phase.cos().expand(shape)]
    return torch.stack(features, 1)
