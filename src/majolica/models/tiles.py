"""Decodes a large picture in tiles, so that the memory of the decoder does not grow with the picture.

Shapes: B rows, H and W the sides of the picture in pixels, 3 colours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from majolica.models.interpolation import Window


@dataclass(frozen=True)
class TileSide:
    """One side of a tile: pixels [start, stop), and those around it that the decoder reads for them."""

    start: int
    stop: int
    first: int
    """First pixel that is read; `start` less the reach of the decoder, or 0 at the border of the picture."""
    last: int
    """The pixel after the last that is read."""

    @property
    def inner(self) -> slice:
        """The tile among the pixels that are read."""
        return slice(self.start - self.first, self.stop - self.first)


def cut_side(start: int, stop: int, pixels: int, reach: int, unit: int) -> TileSide:
    """Pixels [start, stop) of a side of `pixels`, and what is read for them; it begins and ends at multiples of `unit`,
    or at the borders of the picture."""
    return TileSide(start, stop, max(0, (start - reach) // unit * unit), min(pixels, -(-(stop + reach) // unit) * unit))


def spans(pixels: int, tile: int, reach: int, unit: int) -> Iterator[TileSide]:
    """Cut `pixels` into spans of about `tile` pixels, which begin at multiples of `unit`."""
    step = max(1, tile // unit) * unit
    for start in range(0, pixels, step):
        yield cut_side(start, min(start + step, pixels), pixels, reach, unit)


def decode_in_tiles(
    decode: Callable[[Tensor, Window], Tensor], pixels_B3HW: Tensor, scale: int, tile: int, reach: int, unit: int
) -> Tensor:
    """Return what `decode` makes of whole pictures, computed tile by tile.

    `decode` gives pixels `B3HW` for a window of the noisy ones, and no pixel depends on
    others that are more than `reach` away. Tiles then agree with the whole but for the rounding of
    floating-point sums. They begin at multiples of `scale` and of `unit`, because the decoder joins
    pixels in cells and in squares, and the whole picture is cut into these at the same places.
    """
    unit = math.lcm(unit, scale)
    batch, _, height, width = pixels_B3HW.shape
    zero_B = pixels_B3HW.new_zeros(batch)
    out_B3HW = torch.empty_like(pixels_B3HW)
    for row in spans(height, tile, reach, unit):
        for column in spans(width, tile, reach, unit):
            share = ((row.last - row.first) / height, (column.last - column.first) / width)
            window = Window(zero_B + row.first / height, zero_B + column.first / width, share, scale)
            part = decode(pixels_B3HW[:, :, row.first : row.last, column.first : column.last], window)
            out_B3HW[:, :, row.start : row.stop, column.start : column.stop] = part[:, :, row.inner, column.inner]
    return out_B3HW
