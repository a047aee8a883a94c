"""Clean rows in other colours, so that the eye learns shapes too, and not only which colours a thing has."""

from __future__ import annotations

import torch
from torch import Tensor

from majolica.config.run import LossConfig
from majolica.data.pictures.transforms import colour_matrices
from majolica.device import to_device
from majolica.objectives.draws import Draws


def recolour_share(config: LossConfig, progress: float) -> float:
    """The share of the clean rows that lose their colours when this share (0 to 1) of the training is done."""
    return config.recolour if progress >= config.recolour_from else 0.0


def recolour(images_B3HW: Tensor, share: float, draws: Draws) -> Tensor:
    """Give a random `share` of the pictures, whose values lie in [-1, 1], other colours.

    Half of them turn grey, and the hue of the others is rotated by any angle; luma stays. What happens to a row
    depends on its own draws alone. With a share of 0 nothing is drawn.
    """
    if share == 0 or not len(images_B3HW):
        return images_B3HW
    chosen_B, grey_B, turn_B = draws.uniform(3).double().unbind(1)
    colours_B4 = torch.zeros(len(images_B3HW), 4, dtype=torch.float64)  # brightness, contrast, saturation, hue
    colours_B4[:, 2] = -(grey_B < 0.5).double()
    colours_B4[:, 3] = 4 * turn_B
    matrix, _ = colour_matrices(colours_B4.numpy(), 1.0)
    keep_B = chosen_B >= share
    matrix_B33 = torch.where(keep_B[:, None, None], torch.eye(3, dtype=torch.float64), torch.from_numpy(matrix))
    matrix_B33 = to_device(matrix_B33.to(images_B3HW.dtype), images_B3HW.device)
    with torch.autocast(images_B3HW.device.type, enabled=False):
        mixed_B3HW = torch.bmm(matrix_B33, images_B3HW.flatten(2)).view_as(images_B3HW).clamp(-1, 1)
    return torch.where(to_device(keep_B, images_B3HW.device)[:, None, None, None], images_B3HW, mixed_B3HW)
