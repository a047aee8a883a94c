"""From noise to a picture: the solver carries it along the velocity that the model predicts."""

from __future__ import annotations

import torch
from torch import Tensor

from majolica.models.conditions import Condition
from majolica.models.decoder import Window
from majolica.models.majolica import Majolica
from majolica.models.pooling import pool, repeat
from majolica.models.tiles import decode_in_tiles
from majolica.sampling.guidance import guide
from majolica.sampling.request import PaintSettings
from majolica.sampling.solvers import SOLVERS, Tick, ignore_tick


@torch.inference_mode()
def integrate(
    model: Majolica, noise_B3HW: Tensor, condition: Condition, settings: PaintSettings, tick: Tick = ignore_tick
) -> Tensor:
    """Carry the noise of `draw_noise` at the scale k of `settings.size` to images in about [-1, 1].

    Pooled by k, the images are those that the pooled noise becomes.
    """
    batch, scale, device = len(noise_B3HW), settings.size.scale, noise_B3HW.device
    text = model.read(condition.tokens_BL)

    known: dict[float, Tensor] = {}

    def denoise(z_B3HW: Tensor, t: float) -> Tensor:
        t_B = torch.full((batch,), t, device=device)
        noisy_B3HW = pool(z_B3HW, scale)
        tokens_BND, time_BD = model.perceive(noisy_B3HW, t_B)
        grids: list[Tensor] = []

        def branch(asked: Condition) -> Tensor:
            grid_BHWD, clean_B3HW = model.paint(tokens_BND, time_BD, text, asked, noisy_B3HW, t_B)
            grids.append(grid_BHWD)
            return clean_B3HW.float()  # guidance would multiply the rounding of bfloat16

        base_B3HW = guide(branch, condition, settings.guidance, t)
        if scale == 1:
            return base_B3HW
        # Details are decoded once for each time, although Heun's method asks twice, and from the branch
        # with all conditions alone: they follow the guided base picture.
        if t not in known:
            known.clear()
            known[t] = decode_details(model, grids[0], base_B3HW, z_B3HW, t_B, settings)
        return repeat(base_B3HW, scale) + known[t]

    return SOLVERS[settings.solver](denoise, noise_B3HW, settings.times, tick)


def decode_details(
    model: Majolica, grid_BHWD: Tensor, base_B3HW: Tensor, z_B3HW: Tensor, t_B: Tensor, settings: PaintSettings
) -> Tensor:
    """The details of a large picture beyond its base picture, decoded at once or in tiles."""

    def decode(pixels_B3HW: Tensor, window: Window) -> Tensor:
        return model.predict_details(grid_BHWD, base_B3HW, pixels_B3HW, t_B, window).float()

    scale, net = settings.size.scale, model.decoder
    if settings.tile is None:
        return decode(z_B3HW, Window.whole(len(z_B3HW), scale, z_B3HW.device))
    return decode_in_tiles(decode, z_B3HW, scale, settings.tile, net.reach, net.unit)
