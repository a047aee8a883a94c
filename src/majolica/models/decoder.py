"""The pixel decoder (the glaze): a small network whose shape knows neither patch nor resolution.

It first decodes the base resolution. A larger picture is then the base picture, each pixel repeated k x k times, plus
details that average to zero over every such cell: pooled by k, what is painted at any resolution is what is painted at
the base. The details begin with those that smooth enlargement has. It works on any window, so training can decode a
crop of a large picture.

Its features lie on squares of `stride` x `stride` pixels, whose pixels enter and leave as channels (space to depth; Shi
et al., arXiv 1609.05158). With a stride of 2 a large picture costs a quarter of what features at every pixel cost.

Shapes: B rows, H and W the sides of a picture in pixels or of the token grid in tokens, P and Q the rows and columns of
features (or of pixels) in a window, D width of a token, C width of the decoder, M what modulates its blocks, 3 colours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from majolica.config.model import DecoderConfig
from majolica.models.enlargement import CELLS, correct_means, enlarge
from majolica.models.interpolation import Window, coordinates, interpolation, resample
from majolica.models.layers import layer_norm
from majolica.models.pooling import details

HARMONICS = 2
COORDINATES = 4 * HARMONICS + 1  # place inside the token, log2(k)


def unit_of(config: DecoderConfig) -> int:
    """Sides in pixels are multiples of this inside the decoder; others are padded."""
    return 2 * config.stride if config.half_depth else config.stride


def reach_of(config: DecoderConfig, scale: int = 1) -> int:
    """How many pixels away the noisy pixels can be on which a decoded pixel depends, at k = `scale`.

    The first and the last convolution see one square beyond their own, and so does each block. A block at half
    resolution sees two, and so do halving and doubling together. At scales above 1 means over cells are read too.
    """
    half = 2 * (config.half_depth + 1) if config.half_depth else 0
    cells = CELLS * scale - 1 if scale > 1 else 0
    return config.stride * (2 + config.depth + half) + config.stride - 1 + cells


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
        self.config, self.stride, self.unit = config, config.stride, unit_of(config)
        square = config.stride**2
        self.enter = nn.Conv2d(square * (3 + 3) + COORDINATES, config.width, 3, padding=1)
        blocks = config.half_depth + config.depth
        self.half_depth = config.half_depth
        self.modulation = nn.Linear(width_token, 2 * config.width * blocks)
        self.halve = nn.Conv2d(config.width, config.width, 2, stride=2) if config.half_depth else None
        self.blocks = nn.ModuleList(PixelBlock(config.width) for _ in range(blocks))
        """In the order of their use: the first `half_depth` work at half resolution."""
        self.leave = nn.Conv2d(config.width, square * 3, 3, padding=1)

    def reach(self, scale: int = 1) -> int:
        """How many pixels beyond a tile are read for it, at k = `scale`."""
        return reach_of(self.config, scale)

    def forward(self, token_BHWD: Tensor, estimate_B3HW: Tensor, pixels_B3HW: Tensor) -> Tensor:
        """Clean base-resolution pixels, from what a linear head reads off the tokens and the noisy base pixels.

        `token_BHWD` are the token states on their grid, `pixels_B3HW` noisy pixels scaled to unit variance.
        """
        window = Window.whole(len(pixels_B3HW), 1, pixels_B3HW.device)
        return estimate_B3HW + self.correction(token_BHWD, estimate_B3HW.detach(), pixels_B3HW, window)

    def predict_details(self, token_BHWD: Tensor, base_B3HW: Tensor, pixels_B3HW: Tensor, window: Window) -> Tensor:
        """What a window at scale k has beyond the clean base picture `base_B3HW`; its k x k means are 0.

        `pixels_B3HW` are the details of the noisy pixels in the window, scaled to unit variance.
        """
        smooth_B3HW = enlarge(base_B3HW, window, pixels_B3HW.shape[-2:])
        correction_B3HW = self.correction(token_BHWD, smooth_B3HW, pixels_B3HW, window)
        return details(correct_means(smooth_B3HW + correction_B3HW, base_B3HW, window), window.scale)

    def correction(self, token_BHWD: Tensor, estimate_B3HW: Tensor, pixels_B3HW: Tensor, window: Window) -> Tensor:
        """What pixels say beyond an estimate of the same size."""
        height, width = pixels_B3HW.shape[-2:]
        both_B6HW, window = pad(torch.cat((pixels_B3HW, estimate_B3HW), 1), window, self.unit)
        size, grid = [side // self.stride for side in both_B6HW.shape[-2:]], token_BHWD.shape[1:3]
        row_BP, column_BQ = coordinates(window, size)
        places_BPQC = intra_token(row_BP * grid[0], column_BQ * grid[1], window.scale)
        # Channels last: what one convolution leaves is what the next one reads, without a copy.
        x_BPQC = convolve(self.enter, torch.cat((fold(both_B6HW, self.stride), places_BPQC), -1))
        rows_BPH, columns_BQW = interpolation(row_BP, grid[0]), interpolation(column_BQ, grid[1])
        modulated = list(zip(self.blocks, self.modulation(token_BHWD).chunk(len(self.blocks), -1), strict=True))
        if self.halve:
            x_BPQC = x_BPQC + self.look_wider(x_BPQC, modulated[: self.half_depth], window)
        for block, grid_BHWM in modulated[self.half_depth :]:
            x_BPQC = block(x_BPQC, grid_BHWM, rows_BPH, columns_BQW)
        return unfold(convolve(self.leave, x_BPQC), self.stride)[:, :, :height, :width]

    def look_wider(self, x_BPQC: Tensor, modulated: Sequence[tuple[nn.Module, Tensor]], window: Window) -> Tensor:
        """What blocks at half resolution, which see twice as far at a quarter of the cost, make of the features."""
        assert self.halve is not None
        half_BPQC = convolve(self.halve, x_BPQC)
        row_BP, column_BQ = coordinates(window, half_BPQC.shape[1:3])
        grid_height, grid_width = modulated[0][1].shape[1:3]
        rows_BPH, columns_BQW = interpolation(row_BP, grid_height), interpolation(column_BQ, grid_width)
        # One name for all features: a block's input lives no longer than the block needs it (the planner counts on it).
        for block, grid_BHWM in modulated:
            half_BPQC = block(half_BPQC, grid_BHWM, rows_BPH, columns_BQW)
        return double(half_BPQC)


def pad(pixels_BCHW: Tensor, window: Window, unit: int) -> tuple[Tensor, Window]:
    """The pixels with their last rows and columns repeated until both sides are multiples of `unit`; their window."""
    height, width = pixels_BCHW.shape[-2:]
    tall, wide = -height % unit, -width % unit
    if not (tall or wide):
        return pixels_BCHW, window
    share = window.share[0] * (height + tall) / height, window.share[1] * (width + wide) / width
    padded_BCHW = F.pad(pixels_BCHW, (0, wide, 0, tall), mode="replicate")
    return padded_BCHW, Window(window.top_B, window.left_B, share, window.scale)


def double(half_BPQC: Tensor) -> Tensor:
    """Features of half the resolution, bilinearly interpolated to twice as many rows and columns."""
    wide_BCPQ = F.interpolate(half_BPQC.permute(0, 3, 1, 2), scale_factor=2, mode="bilinear")
    return wide_BCPQ.permute(0, 2, 3, 1)


def fold(pixels_BCHW: Tensor, stride: int) -> Tensor:
    """Squares of pixels as channels: `(B, C, H, W) -> (B, P, Q, C * stride^2)`, P = H / stride, Q = W / stride.

    `F.pixel_unshuffle` does the same, but leaves a batch of no rows as it is, and its channels lie first.
    """
    batch, channels, height, width = pixels_BCHW.shape
    x = pixels_BCHW.reshape(batch, channels, height // stride, stride, width // stride, stride)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(batch, height // stride, width // stride, channels * stride**2)


def unfold(squares_BPQC: Tensor, stride: int) -> Tensor:
    """The pixels of squares: the inverse of `fold`."""
    batch, height, width, numbers = squares_BPQC.shape
    channels = numbers // stride**2
    x = squares_BPQC.view(batch, height, width, channels, stride, stride).permute(0, 3, 1, 4, 2, 5)
    return x.reshape(batch, channels, height * stride, width * stride)


def intra_token(row_BP: Tensor, column_BQ: Tensor, scale: int) -> Tensor:
    """Where a place lies inside its token (periodic Fourier features), and log2(k): `(B, P, Q, COORDINATES)`."""
    shape = (len(row_BP), row_BP.shape[1], column_BQ.shape[1])
    features = [row_BP.new_full((1, 1, 1), math.log2(scale)).expand(shape)]
    for harmonic in range(1, HARMONICS + 1):
        for angle in (row_BP[:, :, None], column_BQ[:, None, :]):
            phase = 2 * math.pi * harmonic * angle
            features += [phase.sin().expand(shape), phase.cos().expand(shape)]
    return torch.stack(features, -1)
