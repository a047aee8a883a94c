"""Turns a batch into noisy rows (for the flow-matching loss) and clean rows (contrastive loss)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from majolica.config.loss import LossConfig
from majolica.config.model import DecoderConfig, ModelConfig
from majolica.device import to_device
from majolica.models.conditions import Condition
from majolica.models.majolica import Crops, Rows
from majolica.models.pooling import details, pool, shape_noise
from majolica.objectives.contrastive import caption_ids
from majolica.objectives.draws import Draws
from majolica.objectives.flow import add_noise, draw_times
from majolica.objectives.windows import Corners, choose_tiles, cut
from majolica.properties.registry import find_property, measure_all


@dataclass(frozen=True)
class FineTargets:
    """The details of the tiles of larger pictures."""

    detail_F3HW: Tensor
    inner: Corners
    """Where they begin in what the decoder reads for them."""


@dataclass(frozen=True)
class Targets:
    """What the outputs of the model are compared with."""

    base_M3HW: Tensor
    fine: tuple[FineTargets, ...]
    """One for each scale, as in `Rows`."""
    caption_C: Tensor
    """Identities of the clean rows' captions (see `caption_ids`)."""


def make_rows(
    images_B3HW: Tensor,
    large: Mapping[int, Tensor],
    tokens_BL: Tensor,
    config: LossConfig,
    model: ModelConfig,
    noisy: int,
    draws: Draws,
    columns: Mapping[str, Tensor] | None = None,
) -> tuple[Rows, Targets]:
    """Turn augmented images in [0, 1] into rows; the first `noisy` are noisy, the others clean.

    All images are given at the base resolution. The first of them, at most `noisy`, are also given in
    `large`: F images `F3HW` for each scale k, k times as large, in the order of the rows. They are
    noised at this size. The trunk then sees them pooled, and the decoder sees a tile of them that has
    as many pixels as a base image, with the pixels around it on which the tile depends. `columns` are
    the properties `(B,)` that are read from metadata.
    """
    batch, device = len(images_B3HW), images_B3HW.device
    t_M = to_device(draw_times(draws[:noisy], config), device)
    clean, noised, fine, targets, start = [], [], [], [], 0
    for scale, full_F3HW in large.items():
        rows = slice(start, start + len(full_F3HW))
        start = rows.stop
        crops, found, z_F3HW = draw_crops(full_F3HW * 2 - 1, t_M[rows], scale, model.decoder, draws[rows])
        fine.append(crops)
        targets.append(found)
        clean.append(crops.base_F3HW)
        noised.append(pool(z_F3HW, scale))
    small_K3HW = images_B3HW[start:noisy] * 2 - 1
    noised.append(add_noise(small_K3HW, t_M[start:], draws[start:noisy].noise(small_K3HW)))
    base_B3HW = torch.cat((*clean, images_B3HW[start:] * 2 - 1))
    rows_of_all = Rows(
        base_B3HW=torch.cat((*noised, base_B3HW[noisy:])),
        t_B=torch.cat((t_M, t_M.new_ones(batch - noisy))),
        condition=draw_condition(tokens_BL, (base_B3HW[:noisy] + 1) / 2, config, model.properties, draws, columns),
        fine=tuple(fine),
        noisy=noisy,
    )
    return rows_of_all, Targets(base_B3HW[:noisy], tuple(targets), caption_ids(tokens_BL[noisy:]))


def draw_crops(
    full_F3HW: Tensor, t_F: Tensor, scale: int, decoder: DecoderConfig, draws: Draws
) -> tuple[Crops, FineTargets, Tensor]:
    """Noise images in [-1, 1] that are `scale` times as large as the base, and cut a random tile from each.

    Returns what the decoder reads, the details of the clean tiles, and the noisy images `F3HW`.
    """
    z_F3HW = add_noise(full_F3HW, t_F, shape_noise(draws.noise(full_F3HW), scale, decoder.detail_noise))
    base = (full_F3HW.shape[2] // scale, full_F3HW.shape[3] // scale)
    places = list(zip(draws.below(scale).tolist(), draws.below(scale).tolist(), strict=True))
    tiles = choose_tiles(places, base, scale, decoder, full_F3HW.device)
    crops = Crops(cut(z_F3HW, tiles.read, tiles.size), tiles.window, pool(full_F3HW, scale))
    detail_F3HW = cut(details(cut(full_F3HW, tiles.read, tiles.size), scale), tiles.inner, base)
    return crops, FineTargets(detail_F3HW, tiles.inner), z_F3HW


def draw_condition(
    tokens_BL: Tensor,
    images_M3HW: Tensor,
    config: LossConfig,
    properties: tuple[str, ...],
    draws: Draws,
    columns: Mapping[str, Tensor] | None = None,
) -> Condition:
    """Return the conditions of all rows: their captions, and the properties of the first M, which `images_M3HW` show.

    The rows behind them, which are clean, have captions alone. A property that a picture does not have, as the hue of
    a grey one, is hidden. The others are dropped at random, as configured, so that any subset of them can be given at
    inference. What the model is told of the values may be noisy (`draw_value_noise`); the values themselves stay exact.
    """
    keep_B = draws.uniform() >= config.drop_all
    has_text_B = keep_B & (draws.uniform() >= config.drop_text)
    has_value_BP = keep_B[:, None] & (draws.uniform(len(properties)) >= config.drop_property)
    if config.drop_properties:
        has_value_BP &= draws.uniform()[:, None] >= config.drop_properties
    device = tokens_BL.device
    shown = len(images_M3HW)
    known = {name: values_B[:shown] for name, values_B in (columns or {}).items()}
    values_BP = images_M3HW.new_full((len(tokens_BL), len(properties)), torch.nan)
    values_BP[:shown] = measure_all(properties, images_M3HW, known)
    has_value_BP = to_device(has_value_BP, device) & values_BP.isfinite()
    noise_BP = draw_value_noise(properties, config.property_noise, draws)
    return Condition(
        tokens_BL,
        to_device(has_text_B, device),
        values_BP,
        has_value_BP,
        noise_BP=None if noise_BP is None else to_device(noise_BP, device),
    )


def draw_value_noise(properties: tuple[str, ...], deviation: float, draws: Draws) -> Tensor | None:
    """Gaussian noise `(B, P)` on the places of values among their quantiles, 0 for categories; None without noise.

    A model that is told places with noise learns that measures are not exact. A name is exact. These are
    the last numbers that a row draws, so that all others are the same with and without it.
    """
    if not deviation or not properties:
        return None
    exact = torch.tensor([find_property(name).is_category for name in properties])
    return (deviation * draws.normal(len(properties))).masked_fill(exact, 0.0)
