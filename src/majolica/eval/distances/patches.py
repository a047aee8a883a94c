"""Crops of pictures that are cut at the same places out of painted and real ones."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from majolica.eval.distances.describe import describe_pictures
from majolica.features.extractor import Extractor
from majolica.metrics.frechet import frechet_distance

PER_PICTURE = 4


def draw_corners(count: int, height: int, width: int, side: int, seed: int = 0) -> NDArray[np.int64]:
    """Draw the upper left corners of crops of `side` pixels, `(count, PER_PICTURE, 2)` as rows and columns.

    They depend on the seed and the sizes alone, so every set of equally many pictures gets the same ones.
    Raises ValueError if the crops are larger than the pictures.
    """
    if not 1 <= side <= min(height, width):
        raise ValueError(f"crops of {side} px do not fit into pictures of {height} x {width}")
    rng = np.random.default_rng(seed)
    return rng.integers(0, [height - side + 1, width - side + 1], (count, PER_PICTURE, 2))


def cut_crops(images_B3HW: Tensor, corners_BC2: NDArray[np.int64], side: int) -> Tensor:
    """Cut the crops out of each picture, `(B * C, 3, side, side)`, those of one picture one after the other."""
    return torch.stack(
        [
            image_3HW[:, top : top + side, left : left + side]
            for image_3HW, corners in zip(images_B3HW, corners_BC2.tolist(), strict=True)
            for top, left in corners
        ]
    )


def measure_patches(
    real_B3HW: Tensor, painted_B3HW: Tensor, extractor: Extractor, side: int, seed: int = 0
) -> dict[str, float]:
    """Return `patch_fd`, the Frechet distance between crops of `side` pixels of real and of painted pictures.

    Picture i of both sets has the same caption, and is cut at the same places, because what a crop shows
    depends on its place. With four pictures or more, `patch_fd_real_halves` is that between the crops of two
    halves of the real pictures. Raises ValueError if the sets differ in shape.
    """
    if real_B3HW.shape != painted_B3HW.shape:
        raise ValueError(f"pictures of {tuple(real_B3HW.shape)} and {tuple(painted_B3HW.shape)} cannot be paired")
    count, _, height, width = real_B3HW.shape
    corners_BC2 = draw_corners(count, height, width, side, seed)
    real_BCD, painted_BCD = (
        describe_pictures(extractor, cut_crops(images, corners_BC2, side)).view(count, PER_PICTURE, -1)
        for images in (real_B3HW, painted_B3HW)
    )
    found = {"patch_fd": frechet_distance(real_BCD.flatten(0, 1), painted_BCD.flatten(0, 1))}
    if len(real_BCD) >= 4:
        found["patch_fd_real_halves"] = frechet_distance(real_BCD[::2].flatten(0, 1), real_BCD[1::2].flatten(0, 1))
    return found
