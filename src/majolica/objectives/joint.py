"""Turns a batch into noisy rows (for the flow-matching loss) and clean rows (contrastive loss)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from majolica.config.run import LossConfig
from majolica.device import to_device
from majolica.models.conditions import Condition
from majolica.models.decoder import Window
from majolica.models.majolica import Rows, pool
from majolica.models.properties import measure_all
from majolica.objectives.contrastive import caption_ids
from majolica.objectives.draws import Draws
from majolica.objectives.flow import add_noise, flow_time


@dataclass(frozen=True)
class Targets:
    """What the outputs of the model are compared with."""

    base_M3HW: Tensor
    fine_F3HW: Tensor
    caption_C: Tensor
    """Identities of the clean rows' captions (see `caption_ids`)."""


def make_rows(
    images_B3HW: Tensor,
    fine_F3HW: Tensor,
    tokens_BL: Tensor,
    config: LossConfig,
    properties: tuple[str, ...],
    noisy: int,
    draws: Draws,
) -> tuple[Rows, Targets]:
    """Turn augmented images in [0, 1] into rows; the first `noisy` are noisy, the others clean.

    All images are given at the base resolution. The first F of them, at most `noisy`, are also
    given at `fine_scale` times that resolution, and are noised at this size. The trunk then sees
    them pooled, and the decoder sees a window of them that has as many pixels as a base image.
    """
    batch, scale = len(images_B3HW), config.fine_scale
    full_F3HW = fine_F3HW * 2 - 1
    fine = len(full_F3HW)
    base_B3HW = torch.cat((pool(full_F3HW, scale), images_B3HW[fine:] * 2 - 1))
    t_M = to_device(flow_time(draws[:noisy].normal(), config.t_mean, config.t_std), images_B3HW.device)

    noised_F3HW = add_noise(full_F3HW, t_M[:fine], scale, draws[:fine].noise(full_F3HW))
    small_K3HW = base_B3HW[fine:noisy]
    noised_K3HW = add_noise(small_K3HW, t_M[fine:], 1, draws[fine:noisy].noise(small_K3HW))
    window, crops_F3HW, crops_z_F3HW = random_windows(full_F3HW, noised_F3HW, scale, draws[:fine])
    rows = Rows(
        base_B3HW=torch.cat((pool(noised_F3HW, scale), noised_K3HW, base_B3HW[noisy:])),
        t_B=torch.cat((t_M, t_M.new_ones(batch - noisy))),
        condition=draw_condition(tokens_BL, (base_B3HW + 1) / 2, config, properties, draws),
        pixels_F3HW=crops_z_F3HW,
        window=window,
        noisy=noisy,
    )
    return rows, Targets(base_B3HW[:noisy], crops_F3HW, caption_ids(tokens_BL[noisy:]))


def random_windows(full_F3HW: Tensor, noised_F3HW: Tensor, scale: int, draws: Draws) -> tuple[Window, Tensor, Tensor]:
    """Cut a random window from the clean and the noisy image of each row.

    A window has 1/k of each side, where k is `scale`, and begins at a random pixel of the base
    image. Returns the position of the windows, and what they show of both images.
    """
    height, width = full_F3HW.shape[2:]
    inner_height, inner_width = height // scale, width // scale
    top_F = scale * draws.below((height - inner_height) // scale + 1)
    left_F = scale * draws.below((width - inner_width) // scale + 1)

    def crop(images: Tensor) -> Tensor:
        if not len(full_F3HW):
            return images[:, :, :inner_height, :inner_width]
        boxes = zip(images, top_F.tolist(), left_F.tolist(), strict=True)
        return torch.stack([image[:, y : y + inner_height, x : x + inner_width] for image, y, x in boxes])

    device = full_F3HW.device
    window = Window(to_device(top_F / height, device), to_device(left_F / width, device), (1 / scale, 1 / scale), scale)
    return window, crop(full_F3HW), crop(noised_F3HW)


def draw_condition(
    tokens_BL: Tensor,
    images_B3HW: Tensor,
    config: LossConfig,
    properties: tuple[str, ...],
    draws: Draws,
) -> Condition:
    """Return the conditions of all rows: their captions and measured properties.

    Each is dropped at random, as configured, so that any subset of them can be given at inference.
    """
    keep_B = draws.uniform() >= config.drop_all
    has_text_B = keep_B & (draws.uniform() >= config.drop_text)
    has_value_BP = keep_B[:, None] & (draws.uniform(len(properties)) >= config.drop_property)
    if config.drop_properties:
        has_value_BP &= draws.uniform()[:, None] >= config.drop_properties
    device = tokens_BL.device
    values_BP = measure_all(properties, images_B3HW)
    return Condition(tokens_BL, to_device(has_text_B, device), values_BP, to_device(has_value_BP, device))
