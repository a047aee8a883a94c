"""From noise to a picture: the solver carries it along the velocity that the model predicts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from majolica.models.conditions import Condition, concatenate
from majolica.models.interpolation import Window
from majolica.models.majolica import Majolica, Text
from majolica.models.pooling import pool, repeat
from majolica.models.tiles import decode_in_tiles
from majolica.sampling.guidance import Branch, guide, list_branches
from majolica.sampling.placement import place_subjects, split_times
from majolica.sampling.projection import project
from majolica.sampling.request import PaintSettings
from majolica.sampling.solvers import SOLVERS, Tick, ignore_tick
from majolica.sampling.wish import Wish


@torch.inference_mode()
def integrate(
    model: Majolica,
    noise_B3HW: Tensor,
    condition: Condition,
    settings: PaintSettings,
    tick: Tick = ignore_tick,
    wish: Wish | None = None,
) -> Tensor:
    """Carry the noise of `draw_noise` at the scale k of `settings.size` to images in about [-1, 1].

    Pooled by k, the images are those that the pooled noise becomes. What they measure is kept to `wish`.
    """
    batch, scale, device = len(noise_B3HW), settings.size.scale, noise_B3HW.device
    text = model.read(condition.tokens_BL)

    known: dict[float, Tensor] = {}

    def denoise(z_B3HW: Tensor, t: float) -> Tensor:
        t_B = torch.full((batch,), t, device=device)
        noisy_B3HW = pool(z_B3HW, scale)
        branches = list_branches(condition, settings.guidance, t)
        if scale == 1 and not branches[0].factor:
            del branches[0]  # it is needed for the details of larger pictures only
        grid_BHWD, base_B3HW = paint_guided(model, noisy_B3HW, t_B, text, branches)
        if wish is not None:
            base_B3HW = project(base_B3HW, wish, t)
        if scale == 1:
            return base_B3HW
        # Details are decoded once for each time, although Heun's method asks twice, and from the branch
        # with all conditions alone: they follow the guided base picture.
        if t not in known:
            known.clear()
            known[t] = decode_details(model, grid_BHWD, base_B3HW, z_B3HW, t_B, settings)
        return repeat(base_B3HW, scale) + known[t]

    z_B3HW = noise_B3HW
    for place, times in enumerate(split_times(settings.times, wish)):
        if place and wish is not None:
            predicted_B3HW = denoise(z_B3HW, times[0])
            z_B3HW = z_B3HW + times[0] * (place_subjects(predicted_B3HW, wish, scale) - predicted_B3HW)
            known.clear()
        z_B3HW = SOLVERS[settings.solver](denoise, z_B3HW, times, tick)
    return z_B3HW


def paint_guided(
    model: Majolica, noisy_B3HW: Tensor, t_B: Tensor, text: Text, branches: Sequence[Branch]
) -> tuple[Tensor, Tensor]:
    """Token states of the first branch, `(B, h, w, D)`, and the guided base picture, `B3HW` in float32.

    The perception trunk sees no condition, so one pass of it serves all branches, which go through the
    rest of the model as rows of one batch.
    """
    batch, count = len(noisy_B3HW), len(branches)
    tokens_BND, time_BD = model.perceive(noisy_B3HW, t_B)
    rows = (tokens_BND, time_BD, noisy_B3HW, t_B)
    tokens_RND, time_RD, noisy_R3HW, t_R = (x.repeat(count, *(1,) * (x.ndim - 1)) for x in rows)
    asked = concatenate([branch.condition for branch in branches])
    grid_RHWD, clean_R3HW = model.paint(tokens_RND, time_RD, text.repeat(count), asked, noisy_R3HW, t_R)
    images = torch.split(clean_R3HW.float(), batch)  # guidance would multiply the rounding of bfloat16
    return grid_RHWD[:batch], guide(images, branches)


def decode_details(
    model: Majolica, grid_BHWD: Tensor, base_B3HW: Tensor, z_B3HW: Tensor, t_B: Tensor, settings: PaintSettings
) -> Tensor:
    """The details of a large picture beyond its base picture, decoded at once or in tiles."""

    def decode(pixels_B3HW: Tensor, window: Window) -> Tensor:
        return model.predict_details(grid_BHWD, base_B3HW, pixels_B3HW, t_B, window).float()

    scale, net = settings.size.scale, model.decoder
    if settings.tile is None:
        return decode(z_B3HW, Window.whole(len(z_B3HW), scale, z_B3HW.device))
    return decode_in_tiles(decode, z_B3HW, scale, settings.tile, net.reach(scale), net.unit)
