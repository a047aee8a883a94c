"""Random tiles of large pictures, on which the loss is an unbiased estimate of the loss of the whole pictures.

A picture of k times the base resolution has k x k tiles of the base picture's size. Each is as likely as the others,
and the decoder also reads the pixels around it that it can see, so that it decodes the tile as in the whole picture.
The mean of the losses of all tiles is then the loss of the picture.

Shapes: F rows, H and W the sides of what is read, h and w the sides of a tile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from majolica.config.model import DecoderConfig
from majolica.device import to_device
from majolica.models.decoder import reach_of, unit_of
from majolica.models.interpolation import Window
from majolica.models.tiles import cut_side

Corners = tuple[tuple[int, int], ...]
"""The first row and column of a cut of each picture. They lie on the host, because slicing needs them there."""


@dataclass(frozen=True)
class Tiles:
    """Tiles of pictures of one size, one in each picture."""

    window: Window
    """What the decoder reads."""
    read: Corners
    """Where that begins in the picture."""
    size: tuple[int, int]
    """Height and width of what is read."""
    inner: Corners
    """Where the tile begins inside of what is read."""


def choose_tiles(
    places: Sequence[tuple[int, int]], base: tuple[int, int], scale: int, decoder: DecoderConfig, device: torch.device
) -> Tiles:
    """Return the tiles in these rows and columns, 0 to k - 1, of pictures `scale` times as large as `base`."""
    (tops, height), (lefts, width) = (first_pixels(side, scale, decoder) for side in base)
    read = tuple((tops[row], lefts[column]) for row, column in places)
    inner = tuple((row * base[0] - tops[row], column * base[1] - lefts[column]) for row, column in places)
    full_height, full_width = base[0] * scale, base[1] * scale
    shares_2F = np.array([[top / full_height, left / full_width] for top, left in read], np.float32).reshape(-1, 2).T
    top_F, left_F = to_device(torch.from_numpy(shares_2F.copy()), device)
    window = Window(top_F, left_F, (height / full_height, width / full_width), scale)
    return Tiles(window, read, (height, width), inner)


def first_pixels(side: int, scale: int, decoder: DecoderConfig) -> tuple[list[int], int]:
    """Return where reading begins along one side for each of its `scale` tiles of `side` pixels, and how far it goes.

    All tiles read equally much, so that rows with different tiles are one batch. Where the picture is no
    multiple of what the decoder joins, every tile reads all of it.
    """
    unit, pixels = math.lcm(unit_of(decoder), scale), side * scale
    found = [cut_side(i * side, (i + 1) * side, pixels, reach_of(decoder, scale), unit) for i in range(scale)]
    length = max(part.last - part.first for part in found)
    if pixels % unit:
        length = pixels  # no other start than 0 reaches the end in whole units
    return [min(part.first, pixels - length) for part in found], length


def cut(images_FCHW: Tensor, corners: Corners, size: tuple[int, int]) -> Tensor:
    """Return the part of each picture that begins at its corner, `(F, C, *size)`."""
    height, width = size
    if not corners:
        return images_FCHW[:, :, :height, :width]
    boxes = zip(images_FCHW, corners, strict=True)
    return torch.stack([image[:, top : top + height, left : left + width] for image, (top, left) in boxes])
