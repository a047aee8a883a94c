"""From noise to a picture: the solver carries it along the velocity that the model predicts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from majolica.models.conditions import Condition, concatenate
from majolica.models.majolica import Majolica, Text
from majolica.models.pooling import pool, repeat
from majolica.sampling.detail_flow import paint_details
from majolica.sampling.guidance import Branch, guide, list_branches
from majolica.sampling.placement import place_subjects, split_times
from majolica.sampling.projection import project
from majolica.sampling.request import PaintSettings
from majolica.sampling.solvers import SOLVERS, Churn, Tick, ignore_tick, keep_noise
from majolica.sampling.wish import Wish


@torch.inference_mode()
def integrate(
    model: Majolica,
    noise_B3HW: Tensor,
    condition: Condition,
    settings: PaintSettings,
    tick: Tick = ignore_tick,
    wish: Wish | None = None,
    churn: Churn = keep_noise,
) -> Tensor:
    """Carry the noise of `draw_noise` at the scale k of `settings.size` to images in about [-1, 1].

    First the pooled noise becomes pictures of the base resolution, which measure what `wish` says. Where k is more than
    1, their details are painted then; pooled by k, the images are these pictures. `churn` adds
    noise to the base pictures alone.
    """
    scale, text = settings.size.scale, model.read(condition.tokens_BL)
    base_B3HW = paint_base(model, pool(noise_B3HW, scale), condition, text, settings, tick, wish, churn)
    if scale == 1:
        return base_B3HW
    detail_B3HW = paint_details(model, base_B3HW, noise_B3HW, condition, text, settings, tick)
    return repeat(base_B3HW, scale) + detail_B3HW


def paint_base(
    model: Majolica,
    noise_B3HW: Tensor,
    condition: Condition,
    text: Text,
    settings: PaintSettings,
    tick: Tick,
    wish: Wish | None,
    churn: Churn,
) -> Tensor:
    """Pictures of the base resolution from noise of that size."""
    branches = list_branches(condition, settings.guidance)

    def denoise(z_B3HW: Tensor, t: float) -> Tensor:
        t_B = torch.full((len(z_B3HW),), t, device=z_B3HW.device)
        clean_B3HW = paint_guided(model, z_B3HW, t_B, text, branches)
        return clean_B3HW if wish is None else project(clean_B3HW, wish, t)

    z_B3HW = noise_B3HW
    for place, times in enumerate(split_times(settings.times, wish)):
        if place and wish is not None:
            predicted_B3HW = denoise(z_B3HW, times[0])
            z_B3HW = z_B3HW + times[0] * (place_subjects(predicted_B3HW, wish) - predicted_B3HW)
        z_B3HW = SOLVERS[settings.solver](denoise, z_B3HW, times, tick, churn)
    return z_B3HW


def paint_guided(model: Majolica, noisy_B3HW: Tensor, t_B: Tensor, text: Text, branches: Sequence[Branch]) -> Tensor:
    """The guided prediction of clean base pictures, `B3HW` in float32.

    The perception trunk sees no condition, so one pass of it serves all branches, which go through the
    rest of the model as rows of one batch.
    """
    batch, count = len(noisy_B3HW), len(branches)
    tokens_BND, time_BD = model.perceive(noisy_B3HW, t_B)
    rows = (tokens_BND, time_BD, noisy_B3HW, t_B)
    tokens_RND, time_RD, noisy_R3HW, t_R = (x.repeat(count, *(1,) * (x.ndim - 1)) for x in rows)
    asked = concatenate([branch.condition for branch in branches])
    _, clean_R3HW = model.paint(tokens_RND, time_RD, text.repeat(count), asked, noisy_R3HW, t_R)
    images = torch.split(clean_R3HW.float(), batch)  # guidance would multiply the rounding of bfloat16
    return guide(images, branches)
