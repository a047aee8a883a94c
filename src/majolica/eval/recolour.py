"""Changes the colours of pictures, to test whether a model recognises shapes or only colours."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from majolica.data.pictures.transforms import hue_matrices
from majolica.properties.pixels import luma


def to_grey(images_B3HW: Tensor) -> Tensor:
    """Return uint8 pictures with their luma in all three channels."""
    return _to_bytes(luma(images_B3HW.float())[:, None].expand(-1, 3, -1, -1))


def turn_hues(images_B3HW: Tensor) -> Tensor:
    """Return uint8 pictures with their hues rotated.

    The rotation is a third of a circle, and two thirds in every second picture.
    """
    turns = (1 + np.arange(len(images_B3HW)) % 2) / 3
    matrix_B33 = torch.from_numpy(hue_matrices(turns)).float()
    return _to_bytes((matrix_B33 @ images_B3HW.float().flatten(2)).view(images_B3HW.shape))


def _to_bytes(images_B3HW: Tensor) -> Tensor:
    return images_B3HW.round().clamp(0, 255).to(torch.uint8)
