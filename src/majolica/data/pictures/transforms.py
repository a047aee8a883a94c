"""Augmentation of a batch by flips, jitter and other colours.

The randomness of a row depends only on (seed, position).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from majolica.data.counter import uniform
from majolica.device import to_device

_STREAM = 0xA06
_RECOLOUR_STREAM = 0xC010
_LUMA = np.array([0.299, 0.587, 0.114])
# RGB -> YIQ, a colour space in which rotating the last two axes rotates the hue (FCC NTSC).
_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_RGB = np.linalg.inv(_YIQ)


def augment(images_B3HW: Tensor, positions_B: Tensor, seed: int, flip: bool, jitter: float) -> Tensor:
    """Return `images_B3HW` (float in [0, 1]) flipped and jittered, clamped to [0, 1].

    `positions_B` (int64) are the samples' places in the global order. `jitter` j scales brightness,
    contrast (about mid-grey) and saturation by factors in [1-j, 1+j] and rotates the hue by up to j/4 of a
    circle; together this is one 3x3 matrix and an offset for each row. The result of a row is the same, bit for
    bit, whatever else is in the batch.
    """
    draws = uniform(seed, _STREAM, positions_B.cpu().numpy(), 5)
    if flip:
        turned_B = to_device(torch.from_numpy(draws[:, 0] < 0.5), images_B3HW.device)
        images_B3HW = torch.where(turned_B[:, None, None, None], images_B3HW.flip(-1), images_B3HW)
    if jitter == 0:
        return images_B3HW
    matrix, offset = colour_matrices(2 * draws[:, 1:] - 1, jitter)
    matrix_B33, offset_B31 = (
        to_device(torch.from_numpy(x).to(images_B3HW.dtype), images_B3HW.device) for x in (matrix, offset)
    )
    # Autocast is off, because it would round colours to 8 bits of mantissa.
    with torch.autocast(images_B3HW.device.type, enabled=False):
        jittered = torch.baddbmm(offset_B31, matrix_B33, images_B3HW.flatten(2))
    return jittered.clamp_(0, 1).view_as(images_B3HW)


def recolour(images_B3HW: Tensor, positions_B: Tensor, seed: int, share: float) -> Tensor:
    """Return `images_B3HW` (float in [0, 1]), of which a random `share` has other colours.

    Half of these turn grey, and the hue of the others is rotated by any angle. Luma stays, but for colours that
    would leave [0, 1]. `positions_B` and `seed` are those of `augment`, and a row depends on nothing else either.
    """
    if share == 0 or not len(images_B3HW):
        return images_B3HW
    draws = uniform(seed, _RECOLOUR_STREAM, positions_B.cpu().numpy(), 3)
    colours = np.zeros((len(draws), 4))  # brightness, contrast, saturation, hue
    colours[:, 2] = -1.0 * (draws[:, 1] < 0.5)
    colours[:, 3] = 4 * draws[:, 2]
    matrix, _ = colour_matrices(colours, 1.0)
    device = images_B3HW.device
    matrix_B33 = to_device(torch.from_numpy(matrix).to(images_B3HW.dtype), device)
    chosen_B = to_device(torch.from_numpy(draws[:, 0] < share), device)
    with torch.autocast(device.type, enabled=False):
        mixed_B3HW = torch.bmm(matrix_B33, images_B3HW.flatten(2)).clamp_(0, 1).view_as(images_B3HW)
    return torch.where(chosen_B[:, None, None, None], mixed_B3HW, images_B3HW)


def colour_matrices(draws: NDArray[np.float64], jitter: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turn draws (B x 4: brightness, contrast, saturation, hue) into B33 matrices, B31 offsets.

    Draws are in [-1, 1]; a hue may be larger.
    """
    brightness, contrast, saturation = (1 + jitter * draws[:, i, None, None] for i in range(3))
    grey = np.broadcast_to(_LUMA, (3, 3))
    saturate = saturation * np.eye(3) + (1 - saturation) * grey
    matrix = hue_matrices(draws[:, 3] * jitter / 4) @ saturate * contrast * brightness
    offset = np.broadcast_to(0.5 * (1 - contrast), (len(draws), 3, 1)).copy()
    return matrix, offset


def hue_matrices(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """B33 matrices that rotate the hue of RGB columns by `turns` (B) of a circle and keep their luma."""
    angle = turns * 2 * math.pi
    turn = np.zeros((len(turns), 3, 3))
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = np.cos(angle)
    turn[:, 1, 2], turn[:, 2, 1] = -np.sin(angle), np.sin(angle)
    out: NDArray[np.float64] = _RGB @ turn @ _YIQ
    return out
