"""The details of a larger picture, painted once its base picture is finished.

They begin as noise of their own, and the decoder carries them to the details that this base picture has. The trunk sees
the base picture with the noise of the same flow time, as in training.

Shapes: B pictures, H and W pixels of a larger picture, h and w tokens of a side, D the width of the trunk.
"""

from __future__ import annotations

import torch
from torch import Tensor

from majolica.models.conditions import Condition
from majolica.models.interpolation import Window
from majolica.models.majolica import Majolica, Text
from majolica.models.pooling import details, pool
from majolica.models.tiles import decode_in_tiles
from majolica.sampling.request import PaintSettings
from majolica.sampling.solvers import Tick, euler


def paint_details(
    model: Majolica,
    base_B3HW: Tensor,
    noise_B3HW: Tensor,
    condition: Condition,
    text: Text,
    settings: PaintSettings,
    tick: Tick,
) -> Tensor:
    """What larger pictures have beyond their base pictures: `B3HW`, whose mean over every cell of k x k pixels is zero.

    `base_B3HW` are finished pictures in about [-1, 1] at the base resolution, and `noise_B3HW` is the noise of
    `draw_noise` at the scale k of `settings.size`. Guidance is that of the base pictures: details follow them.
    """
    pooled_B3HW = pool(noise_B3HW, settings.size.scale)

    def denoise(detail_B3HW: Tensor, t: float) -> Tensor:
        t_B = torch.full((len(base_B3HW),), t, device=base_B3HW.device)
        noisy_B3HW = t * base_B3HW + (1 - t) * pooled_B3HW
        tokens_BND, time_BD = model.perceive(noisy_B3HW, t_B)
        grid_BHWD, _ = model.paint(tokens_BND, time_BD, text, condition, noisy_B3HW, t_B)
        return decode_details(model, grid_BHWD, base_B3HW, detail_B3HW, t_B, settings)

    return euler(denoise, details(noise_B3HW, settings.size.scale), settings.detail_times, tick)


def decode_details(
    model: Majolica, grid_BHWD: Tensor, base_B3HW: Tensor, noisy_B3HW: Tensor, t_B: Tensor, settings: PaintSettings
) -> Tensor:
    """The clean details `B3HW` that the decoder sees in noisy ones, decoded at once or in tiles.

    `grid_BHWD` are the token states `(B, h, w, D)`.
    """

    def decode(pixels_B3HW: Tensor, window: Window) -> Tensor:
        return model.predict_details(grid_BHWD, base_B3HW, pixels_B3HW, t_B, window).float()

    scale, net = settings.size.scale, model.decoder
    if settings.tile is None:
        return decode(noisy_B3HW, Window.whole(len(noisy_B3HW), scale, noisy_B3HW.device))
    return decode_in_tiles(decode, noisy_B3HW, scale, settings.tile, net.reach(scale), net.unit)
