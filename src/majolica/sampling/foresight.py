"""What the model sees in a picture that is still noise in part: in its noisy pixels, or in what it predicts of them.

Shapes: B rows, E numbers of an embedding, H and W pixels of the base resolution, 3 colours.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from majolica.models.conditions import Condition
from majolica.models.majolica import Majolica, Text
from majolica.sampling.noise import draw_noise


def add_seeded_noise(clean_B3HW: Tensor, t: float, seeds: Sequence[int]) -> Tensor:
    """The states z_t = t x + (1 - t) e of clean pictures x in [-1, 1] on the straight path from noise, `B3HW`.

    Each row has the noise e that painting starts from with its seed (`draw_noise`), at every t the same.
    """
    height, width = clean_B3HW.shape[-2:]
    noise_B3HW = torch.stack([draw_noise(seed, (height, width), 1, 1.0) for seed in seeds]).to(clean_B3HW.device)
    return t * clean_B3HW + (1 - t) * noise_B3HW


def see_noisy(model: Majolica, noisy_B3HW: Tensor, t_B: Tensor) -> Tensor:
    """Embeddings of unit length, `(B, E)`, of the noisy pictures themselves, as perception sees them at their time.

    The projection to embeddings was trained on clean pictures alone; at t = 1 this is `Majolica.see`.
    """
    tokens_BND, _ = model.perceive(noisy_B3HW, t_B)
    return model.perception.embed(tokens_BND)


def foresee(model: Majolica, noisy_B3HW: Tensor, t_B: Tensor, text: Text, condition: Condition) -> Tensor:
    """Embeddings of unit length, `(B, E)`, of the clean pictures that the model predicts from noisy ones."""
    tokens_BND, time_BD = model.perceive(noisy_B3HW, t_B)
    _, clean_B3HW = model.paint(tokens_BND, time_BD, text, condition, noisy_B3HW, t_B)
    return model.see(clean_B3HW.clamp(-1, 1))
