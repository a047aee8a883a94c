"""Colourfulness: how strong and how various colours are, as people rate it."""

import torch
from torch import Tensor

from majolica.properties.pixels import root
from majolica.properties.property import Property


def measure(images_B3HW: Tensor) -> Tensor:
    """M3 of Hasler and Suesstrunk (SPIE 2003, equation 9), `(B,)`, for pixels in [0, 1]."""
    red, green, blue = images_B3HW.unbind(1)
    opponent_B2P = torch.stack((red - green, (red + green) / 2 - blue), 1).flatten(2)
    spread = root(opponent_B2P.var(2, correction=0).sum(1))
    return spread + 0.3 * root(opponent_B2P.mean(2).square().sum(1))


PROPERTY = Property("Hasler-Suesstrunk M3", 0.05, 0.6, measure)
