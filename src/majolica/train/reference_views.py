"""Other views of pictures, which stand for the reference pictures of people while an adapter learns to follow them.

A view shows the same subject in the same style and colours. It differs from the picture that is painted in what a
reference should not carry: in which direction things face, and how large and where they are.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.config.data import DataConfig
from majolica.data.counter import uniform
from majolica.data.pictures.transforms import augment

STREAM = 0x71E3
SMALLEST = 0.7
"""Side of the smallest part that a view shows, as a share of the side of the picture."""


def draw_views(images_B3HW: Tensor, positions_B: Tensor, seed: int, data: DataConfig) -> Tensor:
    """A view of each picture in [0, 1]: mirrored or not, in slightly other colours, and cut out and enlarged, `B3HW`.

    Pictures are mirrored and their colours changed as far as training does that with them (`flip` and `jitter`). A
    row depends on its position (int64, `(B,)`) and the seed.
    """
    images_B3HW = augment(images_B3HW, positions_B, seed ^ STREAM, data.flip, data.jitter)
    draws = uniform(seed, STREAM, positions_B.cpu().numpy(), 3)
    side = SMALLEST + (1 - SMALLEST) * draws[:, 0]
    shift = (2 * draws[:, 1:] - 1) * (1 - side)[:, None]
    parts = np.zeros((len(draws), 2, 3))
    parts[:, 0, 0] = parts[:, 1, 1] = side
    parts[:, :, 2] = shift
    parts_B23 = torch.from_numpy(parts).to(images_B3HW)
    grid_BHW2 = F.affine_grid(parts_B23, list(images_B3HW.shape), align_corners=False)
    return F.grid_sample(images_B3HW, grid_BHW2, padding_mode="border", align_corners=False)
