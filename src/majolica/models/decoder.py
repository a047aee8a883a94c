"""The pixel decoder (the glaze): a small network whose shape knows neither patch nor resolution.

It first decodes the base resolution. A larger picture is then the base picture, each pixel repeated k x k times, plus
details that average to zero over every such cell: pooled by k, what is painted at any resolution is what is painted at
the base. It works on any window, so training can decode a crop of a large picture.

Shapes: B rows, H and W the sides of a picture in pixels or of the token grid in tokens, P and Q the pixel rows and
columns of a window, D width of a token, C width of the decoder, M what modulates its blocks, 3 colours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from majolica.config.run import DecoderConfig
from majolica.models.layers import layer_norm

HARMONICS = 2
INPUTS = 3 + 3 + 4 * HARMONICS + 1  # noisy pixels, estimate, intra-token coordinates, log2(k)


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


def repetition(centre_BP: Tensor, cells: int) -> Tensor:
    """One-hot weights `(B, P, cells)` from cells to the pixels that lie in them."""
    cell_BP1 = (centre_BP * cells).long()[..., None]
    return (cell_BP1 == torch.arange(cells, device=centre_BP.device)).to(centre_BP.dtype)


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


def convolve(layer: nn.Conv2d, x_BPQC: Tensor) -> Tensor:
    """A convolution of channels-last features, as they lie: nothing is copied."""
    out: Tensor = layer(x_BPQC.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    return out


class PixelBlock(nn.Module):
    """Residual block, a 3x3 and a pointwise convolution, with adaLN from interpolated token features.

    The modulation is that of DeCo (arXiv 2511.19365), whose blocks are pointwise. Pointwise blocks do not see their
    neighbours: outlines stay open, and the border of every token shows on flat grounds. The block interpolates its own
    features, which are many more at pixels than on the token grid: recomputing it then needs its input and the grid
    alone.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x_BPQC: Tensor, grid_BHWM: Tensor, rows_BPH: Tensor, columns_BQW: Tensor) -> Tensor:
        shift_BHWC, scale_BHWC = grid_BHWM.chunk(2, -1)
        # Weights of an interpolation sum to 1, so the 1 is added where there are few values.
        shift_BPQC = resample(shift_BHWC, rows_BPH, columns_BQW)
        gain_BPQC = resample(1 + scale_BHWC, rows_BPH, columns_BQW)
        normed = layer_norm(x_BPQC)
        modulated_BPQC = torch.addcmul(shift_BPQC, normed, gain_BPQC)
        out: Tensor = x_BPQC + self.down(F.silu(convolve(self.up, modulated_BPQC)))
        return out


class PixelDecoder(nn.Module):
    """Tokens and noisy pixels -> the clean image, at the base resolution or in a window of a larger picture."""

    def __init__(self, config: DecoderConfig, width_token: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(INPUTS, config.width, 3, padding=1)
        blocks = config.half_depth + config.depth
        self.half_depth = config.half_depth
        self.modulation = nn.Linear(width_token, 2 * config.width * blocks)
        self.halve = nn.Conv2d(config.width, config.width, 2, stride=2) if config.half_depth else None
        self.blocks = nn.ModuleList(PixelBlock(config.width) for _ in range(blocks))
        """In the order of their use: the first `half_depth` work at half resolution."""
        self.leave = nn.Conv2d(config.width, 3, 3, padding=1)

    @property
    def reach(self) -> int:
        """How many pixels away the noisy pixels can be on which a decoded pixel depends.

        The first and the last convolution see 1 pixel each, and so does each block at full
        resolution. At half resolution a block sees 2. Halving and doubling add a pixel of half the
        resolution, and the second pixel of a pair.
        """
        return 2 + len(self.blocks) - self.half_depth + (2 * (self.half_depth + 1) + 1 if self.half_depth else 0)

    def forward(self, token_BHWD: Tensor, estimate_B3HW: Tensor, pixels_B3HW: Tensor) -> Tensor:
        """Clean base-resolution pixels, from what a linear head reads off the tokens and the noisy base pixels.

        `token_BHWD` are the token states on their grid, `pixels_B3HW` noisy pixels scaled to unit variance.
        """
        window = Window.whole(len(pixels_B3HW), 1, pixels_B3HW.device)
        return estimate_B3HW + self.correction(token_BHWD, estimate_B3HW.detach(), pixels_B3HW, window)

    def magnify(self, token_BHWD: Tensor, base_B3HW: Tensor, pixels_B3HW: Tensor, window: Window) -> Tensor:
        """Clean pixels of a window at scale k, as `pixels_B3HW`; their k x k means are `base_B3HW`'s pixels."""
        row_BP, column_BQ = coordinates(window, pixels_B3HW)
        repeated_B3HW = resample(
            base_B3HW.permute(0, 2, 3, 1),
            repetition(row_BP, base_B3HW.shape[2]),
            repetition(column_BQ, base_B3HW.shape[3]),
        ).permute(0, 3, 1, 2)
        detail_B3HW = self.correction(token_BHWD, repeated_B3HW, pixels_B3HW, window)
        fine, channels, height, width = detail_B3HW.shape
        cells = detail_B3HW.view(
            fine, channels, height // window.scale, window.scale, width // window.scale, window.scale
        )
        return repeated_B3HW + (cells - cells.mean((3, 5), keepdim=True)).reshape(detail_B3HW.shape)

    def correction(self, token_BHWD: Tensor, estimate_B3HW: Tensor, pixels_B3HW: Tensor, window: Window) -> Tensor:
        """What pixels say beyond an estimate of the same size."""
        row_BP, column_BQ = coordinates(window, pixels_B3HW)
        grid_height, grid_width = token_BHWD.shape[1:3]
        places = intra_token(row_BP * grid_height, column_BQ * grid_width, window.scale)
        # Channels last: what one convolution leaves is what the next one reads, without a copy.
        x = torch.cat((pixels_B3HW, estimate_B3HW, places), 1).contiguous(memory_format=torch.channels_last)
        x_BPQC = self.enter(x).permute(0, 2, 3, 1)
        rows_BPH, columns_BQW = interpolation(row_BP, grid_height), interpolation(column_BQ, grid_width)
        modulated = list(zip(self.blocks, self.modulation(token_BHWD).chunk(len(self.blocks), -1), strict=True))
        if self.halve:
            x_BPQC = x_BPQC + self.look_wider(x_BPQC, modulated[: self.half_depth], window)
        for block, grid_BHWM in modulated[self.half_depth :]:
            x_BPQC = block(x_BPQC, grid_BHWM, rows_BPH, columns_BQW)
        out: Tensor = self.leave(x_BPQC.permute(0, 3, 1, 2))
        return out

    def look_wider(self, x_BPQC: Tensor, modulated: Sequence[tuple[nn.Module, Tensor]], window: Window) -> Tensor:
        """What blocks at half resolution, which see twice as far at a quarter of the cost, make of the features."""
        assert self.halve is not None
        height, width = x_BPQC.shape[1:3]
        half_BPQC = convolve(self.halve, pad_to_even(x_BPQC))
        # A pixel of half the resolution lies between the two that it stands for.
        tall, wide = window.share
        row_BP = centres(window.top_B, tall, height)[:, ::2] + tall / (2 * height)
        column_BQ = centres(window.left_B, wide, width)[:, ::2] + wide / (2 * width)
        grid_height, grid_width = modulated[0][1].shape[1:3]
        rows_BPH, columns_BQW = interpolation(row_BP, grid_height), interpolation(column_BQ, grid_width)
        # One name for all features: a block's input lives no longer than the block needs it (the planner counts on it).
        for block, grid_BHWM in modulated:
            half_BPQC = block(half_BPQC, grid_BHWM, rows_BPH, columns_BQW)
        return double(half_BPQC, height, width)


def pad_to_even(x_BPQC: Tensor) -> Tensor:
    """The features with a last row or column repeated where their number is odd."""
    height, width = x_BPQC.shape[1:3]
    if height % 2 == width % 2 == 0:
        return x_BPQC
    return F.pad(x_BPQC.permute(0, 3, 1, 2), (0, width % 2, 0, height % 2), mode="replicate").permute(0, 2, 3, 1)


def double(half_BPQC: Tensor, height: int, width: int) -> Tensor:
    """Features of half the resolution, bilinearly interpolated to `height` x `width` pixels."""
    wide_BCPQ = F.interpolate(half_BPQC.permute(0, 3, 1, 2), scale_factor=2, mode="bilinear")
    return wide_BCPQ[:, :, :height, :width].permute(0, 2, 3, 1)


def coordinates(window: Window, pixels_B3HW: Tensor) -> tuple[Tensor, Tensor]:
    """Normalised rows `(B, P)` and columns `(B, Q)` of a window's pixels."""
    height, width = pixels_B3HW.shape[-2:]
    return centres(window.top_B, window.share[0], height), centres(window.left_B, window.share[1], width)


def intra_token(row_BP: Tensor, column_BQ: Tensor, scale: int) -> Tensor:
    """Where a pixel lies inside its token (periodic Fourier features) and log2(k): `(B, 4 * HARMONICS + 1, P, Q)`."""
    shape = (len(row_BP), row_BP.shape[1], column_BQ.shape[1])
    features = [row_BP.new_full((1, 1, 1), math.log2(scale)).expand(shape)]
    for harmonic in range(1, HARMONICS + 1):
        for angle in (row_BP[:, :, None], column_BQ[:, None, :]):
            phase = 2 * math.pi * harmonic * angle
            features += [phase.sin().expand(shape), phase.cos().expand(shape)]
    return torch.stack(features, 1)
