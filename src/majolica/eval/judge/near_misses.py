"""Pictures that show a thing almost, as painters who are not good enough make them.

They have the colours, the strokes and the place of a drawing, but shapes that nobody would recognise. A judge that
learns that they show none of the things that it knows is as hard to please as a person.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from majolica.eval.judge.degrade import blur, displace, shuffle_tiles, smooth_field, warp

BENDS = ((5, 0.16, 0.34), (7, 0.10, 0.22), (10, 0.07, 0.15))
"""Knots of a field of displacements along a side, and the range of its standard deviation in half-widths.

What bends faster over a picture is strange at smaller displacements.
"""

MILD = 0.03
"""Standard deviation of bends, in half-widths, with which a drawing still is what it was."""


def near_misses(images_B3HW: Tensor, generator: Generator) -> Tensor:
    """Spoil the shapes: a half melts, a third becomes blobs, and a sixth is cut into tiles."""
    kinds_B = torch.randint(0, 6, (len(images_B3HW),), generator=generator)
    out = images_B3HW.clone()
    for spoil, chosen_B in (
        (melt, kinds_B < 3),
        (blob, (kinds_B == 3) | (kinds_B == 4)),
        (shuffle_and_bend, kinds_B == 5),
    ):
        if chosen_B.any():
            out[chosen_B] = spoil(images_B3HW[chosen_B], generator)
    return out


def melt(images_B3HW: Tensor, generator: Generator) -> Tensor:
    """Bend each picture by one of `BENDS`."""
    batch = len(images_B3HW)
    chosen_B = torch.randint(0, len(BENDS), (batch,), generator=generator)
    field_B2HW = torch.zeros(batch, 2, *images_B3HW.shape[2:])
    for index, (knots, low, high) in enumerate(BENDS):
        strength_B111 = low + (high - low) * torch.rand(batch, 1, 1, 1, generator=generator)
        bends = torch.randn(batch, 2, knots, knots, generator=generator) * strength_B111
        chosen_B111 = (chosen_B == index).view(-1, 1, 1, 1)
        field_B2HW = torch.where(chosen_B111, smooth_field(bends, images_B3HW), field_B2HW)
    return displace(warp(images_B3HW, generator, MILD), field_B2HW)


def blob(images_B3HW: Tensor, generator: Generator) -> Tensor:
    """Melt, blur and sharpen: soft shapes with crisp edges, as in pictures that are half denoised."""
    side = images_B3HW.shape[-1]
    melted = melt(images_B3HW, generator)
    soft, softer = blur(melted, side / 32), blur(melted, side / 14)
    return (soft + 1.5 * (soft - softer)).clamp(0, 1)


def shuffle_and_bend(images_B3HW: Tensor, generator: Generator) -> Tensor:
    """Put 3 x 3 tiles in another order, and bend the picture, so that it has no straight seams."""
    return warp(shuffle_tiles(images_B3HW, 3, generator), generator)
