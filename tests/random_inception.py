"""Inception v3 with random weights that keep the scale of what passes through, and pictures to describe."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.features.inception import Inception


def random_inception(seed: int = 0) -> dict[str, Tensor]:
    """Return a state dict in the format of torch-fidelity and pytorch-fid."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in Inception().state_dict().items()}
    state = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros((), dtype=torch.int64)
        elif name.endswith(("bn.weight", "bn.running_var")):
            state[name] = 0.5 + torch.rand(shape, generator=generator)
        elif len(shape) == 1:
            state[name] = 0.3 * torch.randn(shape, generator=generator)
        else:
            state[name] = torch.randn(shape, generator=generator) * (2 / shape[1:].numel()) ** 0.5
    return state


def smooth_pictures(count: int, height: int, width: int, seed: int = 1) -> Tensor:
    """Return uint8 pictures `B3HW` of soft colours and some noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse_B366 = 255 * torch.rand(count, 3, 6, 6, generator=generator)
    smooth_B3HW = F.interpolate(coarse_B366, (height, width), mode="bicubic")
    noisy_B3HW = smooth_B3HW + 20 * torch.randn(count, 3, height, width, generator=generator)
    return noisy_B3HW.clamp(0, 255).to(torch.uint8)
