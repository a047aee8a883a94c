"""Damages renders for the training of judges, so that they also name imperfect pictures."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F


def blur(images_B3HW: Tensor, sigma: float) -> Tensor:
    """Apply a Gaussian blur with `sigma` in pixels; the edges are replicated."""
    radius = max(1, math.ceil(3 * sigma))
    offsets_K = torch.arange(-radius, radius + 1, dtype=images_B3HW.dtype)
    kernel_K = torch.softmax(-(offsets_K**2) / (2 * sigma**2), 0)
    rows = kernel_K.view(1, 1, -1, 1).expand(3, 1, -1, 1)
    columns = kernel_K.view(1, 1, 1, -1).expand(3, 1, 1, -1)
    padded = F.pad(images_B3HW, (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, rows, groups=3), columns, groups=3)


def warp(images_B3HW: Tensor, generator: Generator, bend: float = 0.06) -> Tensor:
    """Mirror, shift, scale, turn and bend each picture a little; the borders are reflected.

    `bend` is the standard deviation of a smooth displacement field, in half-widths of a picture. It
    makes outlines wobbly, but the drawing still shows the same thing.
    """
    batch = len(images_B3HW)
    angle, scale, shift_x, shift_y = torch.rand(4, batch, generator=generator) * 2 - 1
    angle, scale = angle * 0.2, torch.exp(scale * 0.15)
    mirror = torch.where(torch.rand(batch, generator=generator) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = (cos * mirror, -sin, shift_x * 0.12, sin * mirror, cos, shift_y * 0.12)
    knots = torch.randn(batch, 2, 5, 5, generator=generator) * bend
    return displace(images_B3HW, smooth_field(knots, images_B3HW), torch.stack(rows, 1).view(-1, 2, 3))


def smooth_field(knots_B2KK: Tensor, images_B3HW: Tensor) -> Tensor:
    """Interpolate displacements that are given at K x K knots to the pixels of the pictures, `(B, 2, H, W)`."""
    return F.interpolate(knots_B2KK, images_B3HW.shape[2:], mode="bicubic", align_corners=True)


def displace(images_B3HW: Tensor, field_B2HW: Tensor, affine_B23: Tensor | None = None) -> Tensor:
    """Move each pixel by a field of displacements in half-widths, (x, y), after an affine map if there is one.

    The borders are reflected.
    """
    if affine_B23 is None:
        affine_B23 = torch.eye(2, 3).expand(len(images_B3HW), 2, 3)
    grid_BHW2 = F.affine_grid(affine_B23, list(images_B3HW.shape), align_corners=False)
    grid_BHW2 = grid_BHW2 + field_B2HW.permute(0, 2, 3, 1)
    return F.grid_sample(images_B3HW, grid_BHW2, padding_mode="reflection", align_corners=False)


def scramble(images_B3HW: Tensor, generator: Generator) -> Tensor:
    """Destroy the shapes of drawings, but keep their colours and strokes.

    A third of the pictures is bent by a field five times as strong as that of `warp`, a third is
    cut in 3 x 3 tiles, and a third in 4 x 4. Pictures that are cut are bent too, so that a judge
    does not recognise them by their straight seams.
    """
    kinds = torch.arange(len(images_B3HW)) % 3
    out = warp(images_B3HW, generator, bend=0.3)
    for kind, cells in ((1, 3), (2, 4)):
        rows = kinds == kind
        out[rows] = warp(shuffle_tiles(images_B3HW[rows], cells, generator), generator)
    return out


def shuffle_tiles(images_B3HW: Tensor, cells: int, generator: Generator) -> Tensor:
    """Shuffle the cells x cells tiles of each picture.

    If the sides are not multiples of `cells`, the rest is cut off and the picture is scaled back.
    """
    batch, _, height, width = images_B3HW.shape
    tile = (height // cells, width // cells)
    tiles_BKT = F.unfold(images_B3HW, tile, stride=tile)
    order_BK = torch.rand(batch, tiles_BKT.shape[2], generator=generator).argsort(1)
    shuffled_BKT = tiles_BKT.gather(2, order_BK[:, None].expand_as(tiles_BKT))
    whole = F.fold(shuffled_BKT, (tile[0] * cells, tile[1] * cells), tile, stride=tile)
    return F.interpolate(whole, (height, width), mode="bilinear", align_corners=False)


def shift_colours(images_B3HW: Tensor, generator: Generator) -> Tensor:
    """Change the colours of each picture mildly: by a matrix, contrast, brightness and gamma."""
    batch = len(images_B3HW)
    matrix_B33 = torch.eye(3) + 0.05 * torch.randn(batch, 3, 3, generator=generator)
    mixed = (matrix_B33 @ images_B3HW.flatten(2)).view_as(images_B3HW)
    contrast, offset, gamma = torch.rand(3, batch, 1, 1, 1, generator=generator)
    mean = mixed.mean((1, 2, 3), keepdim=True)
    mixed = (mixed - mean) * (0.5 + 0.65 * contrast) + mean + 0.24 * (offset - 0.5)
    lit: Tensor = mixed.clamp(0, 1) ** torch.exp2(gamma - 0.5)
    return lit


def grain(images_B3HW: Tensor, generator: Generator, largest: float = 0.09) -> Tensor:
    """Add Gaussian noise in cells of 1, 2 and 4 pixels.

    Its standard deviation is drawn for each picture and each size of cell, and is at most
    `largest`. The coarser cells imitate the blotches of generated pictures, which are about as
    large as a patch.
    """
    batch, channels, height, width = images_B3HW.shape
    strength = torch.rand(3, batch, 1, 1, 1, generator=generator) ** 2 * largest
    out = images_B3HW
    for cell, share in zip((1, 2, 4), strength, strict=True):
        size = (math.ceil(height / cell), math.ceil(width / cell))
        noise = F.interpolate(torch.randn(batch, channels, *size, generator=generator), scale_factor=cell)
        out = out + share * noise[:, :, :height, :width]
    return out


def degrade(
    images_B3HW: Tensor, generator: Generator, bend: float = 0.06, softest: float = 1 / 24, noise: float = 0.09
) -> Tensor:
    """Damage pictures with values in [0, 1] in every way of this module except `scramble`.

    Half of the pictures are blurred, by at most `softest` of their width. `bend` is that of `warp`,
    and `noise` is the largest of `grain`.
    """
    images_B3HW = warp(images_B3HW, generator, bend)
    largest = images_B3HW.shape[-1] * softest
    sigma = largest * float(0.1 + 0.9 * torch.rand((), generator=generator))
    blurred = torch.rand(len(images_B3HW), generator=generator) < 0.5
    images_B3HW = torch.where(blurred.view(-1, 1, 1, 1), blur(images_B3HW, sigma), images_B3HW)
    return grain(shift_colours(images_B3HW, generator), generator, noise).clamp(0, 1)
