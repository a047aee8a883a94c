"""Separates the things in a drawing from the plain or gently shaded ground behind them.

The ground is a colour that varies smoothly over the picture and reaches its border. It is fitted to the pixels
near the border, and all that cannot be reached from the border over pixels of this ground is a thing.

Shapes: B pictures, H and W their sides, N parts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

NEAR = 0.035
"""Distance in OKLab up to which a pixel has the colour of the ground."""
SPECK = 0.02
"""Share of the picture below which a part is no thing."""
# Björn Ottosson, "A perceptual color space for image processing" (2020): linear sRGB to cone responses, and their
# cube roots to lightness, green to red, and blue to yellow.
_TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def oklab(images_B3HW: Tensor) -> Tensor:
    """Return sRGB pictures in [0, 1] in OKLab, in which distances are about as large as they look, `B3HW`."""
    linear = torch.where(images_B3HW <= 0.04045, images_B3HW / 12.92, ((images_B3HW + 0.055) / 1.055) ** 2.4)
    cones = torch.einsum("ij,bjhw->bihw", linear.new_tensor(_TO_CONES), linear).clamp(min=0) ** (1 / 3)
    return torch.einsum("ij,bjhw->bihw", cones.new_tensor(_TO_LAB), cones)


@dataclass(frozen=True)
class Scene:
    """What was found in B pictures."""

    ground_B3HW: Tensor
    """The ground, in OKLab, also where things cover it."""
    things_BHW: Tensor
    """Whether a pixel belongs to a thing, bool."""

    @property
    def ground_B3(self) -> Tensor:
        """The mean colour of the ground in OKLab."""
        return self.ground_B3HW.mean((2, 3))


def find_things(images_B3HW: Tensor) -> Scene:
    """Separate the things in uint8 pictures from their ground."""
    lab_B3HW = oklab(images_B3HW.float() / 255)
    height, width = lab_B3HW.shape[2:]
    frame_HW = mark_frame(height, width)
    ground_B3HW = _fit_ground(lab_B3HW, frame_HW)
    similar_BHW = (lab_B3HW - ground_B3HW).norm(dim=1) < NEAR
    reached_BHW = spread(similar_BHW & frame_HW, similar_BHW)
    return Scene(ground_B3HW, ~reached_BHW)


def mark_frame(height: int, width: int) -> Tensor:
    """Return which pixels lie at the border, bool `(H, W)`."""
    frame_HW = torch.ones(height, width, dtype=torch.bool)
    frame_HW[1:-1, 1:-1] = False
    return frame_HW


def _fit_ground(lab_B3HW: Tensor, frame_HW: Tensor, rounds: int = 5) -> Tensor:
    """Fit a surface to each channel, by least squares over the pixels that it fits.

    The first surface is the median colour of the border. Each round takes the pixels that the last one
    fits, with a tolerance that shrinks to `NEAR`. Surfaces are planes, and of second degree in the last two rounds.
    """
    batch, _, height, width = lab_B3HW.shape
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    basis_PK = torch.stack((torch.ones_like(x), x, y, x * y, x * x, y * y), -1).flatten(0, 1)
    pixels_B3P = lab_B3HW.flatten(2)
    ground_B3P = pixels_B3P[:, :, frame_HW.flatten()].median(2, keepdim=True).values
    for turn in range(rounds):
        tolerance = NEAR * (1 + 3 * (1 - turn / (rounds - 1)))
        weight_BP = ((pixels_B3P - ground_B3P).square().sum(1) < tolerance**2).float()
        some_PK = basis_PK[:, : 3 if turn < rounds - 2 else 6]
        terms = some_PK.shape[1]
        # The normal equations, and a little of the identity, because a picture may have no such pixels.
        products_BKK = (weight_BP @ (some_PK[:, :, None] * some_PK[:, None]).flatten(1)).view(batch, terms, terms)
        sums_BK3 = ((weight_BP[:, None] * pixels_B3P) @ some_PK).transpose(1, 2)
        found_BK3 = torch.linalg.solve(products_BKK + 1e-3 * torch.eye(terms), sums_BK3)
        ground_B3P = found_BK3.transpose(1, 2) @ some_PK.T
    return ground_B3P.view(batch, 3, height, width)


def spread(seeds_BHW: Tensor, allowed_BHW: Tensor) -> Tensor:
    """Return the allowed pixels that are connected to a seed, over sides and corners, bool `(B, H, W)`."""
    found_BHW = seeds_BHW & allowed_BHW
    while True:
        grown_BHW = dilate(found_BHW) & allowed_BHW
        if torch.equal(grown_BHW, found_BHW):
            return found_BHW
        found_BHW = grown_BHW


def dilate(mask_BHW: Tensor) -> Tensor:
    """Return the pixels of a mask and their neighbours, over sides and corners, bool `(B, H, W)`."""
    across_BHW = mask_BHW.clone()
    across_BHW[:, :, 1:] |= mask_BHW[:, :, :-1]
    across_BHW[:, :, :-1] |= mask_BHW[:, :, 1:]
    grown_BHW = across_BHW.clone()
    grown_BHW[:, 1:] |= across_BHW[:, :-1]
    grown_BHW[:, :-1] |= across_BHW[:, 1:]
    return grown_BHW


def label_parts(mask_HW: Tensor) -> Tensor:
    """Return the parts of a mask that are connected over sides and corners, bool `(N, H, W)`, the largest first."""
    height, width = mask_HW.shape
    numbers_HW = torch.where(mask_HW, torch.arange(1.0, height * width + 1).view(height, width), 0.0)
    while True:
        grown_HW = torch.where(mask_HW, F.max_pool2d(numbers_HW[None, None], 3, 1, 1)[0, 0], 0.0)
        if torch.equal(grown_HW, numbers_HW):
            break
        numbers_HW = grown_HW
    found_N, sizes_N = torch.unique(numbers_HW[mask_HW], return_counts=True)
    parts_NHW: Tensor = numbers_HW == found_N[sizes_N.argsort(descending=True)][:, None, None]
    return parts_NHW


def find_parts(things_HW: Tensor) -> Tensor:
    """Return the things in a mask, bool `(N, H, W)`, the largest first: its parts that are no specks."""
    parts_NHW = label_parts(things_HW)
    return parts_NHW[parts_NHW.float().mean((1, 2)) >= SPECK]
