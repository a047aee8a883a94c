"""Measures the losses of pictures that nobody trains on here: each picture once as a noisy and once as a clean row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from majolica.config.run import RunConfig
from majolica.device import to_device
from majolica.models.majolica import Majolica
from majolica.models.precision import Precision, autocast
from majolica.objectives.contrastive import Pairs, concatenate_pairs
from majolica.objectives.draws import Draws
from majolica.objectives.flow import velocity_loss
from majolica.objectives.joint import make_rows
from majolica.objectives.objective import clean_pairs


@dataclass(frozen=True)
class Captioned:
    """N pictures with their captions and what else the model reads of them."""

    images_N3HW: Tensor
    """uint8, on the host."""
    tokens_NL: Tensor
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    """The properties `(N,)` that are read from metadata."""

    def __len__(self) -> int:
        return len(self.images_N3HW)


@dataclass(frozen=True)
class Measured:
    """What was measured of N pictures."""

    flow_N: Tensor
    """The flow-matching loss of each picture as a noisy row."""
    t_N: Tensor
    """The flow time of that row."""
    pairs: Pairs
    """The embeddings of each picture and of its caption, as a clean row."""


@torch.no_grad()
def measure_losses(
    model: Majolica,
    pictures: Captioned,
    config: RunConfig,
    precision: Precision,
    seeds: Sequence[int],
    device: torch.device,
    chunk: int,
) -> Measured:
    """Measure the losses of N pictures, `chunk` of them in one forward pass.

    `seeds` holds 2 N numbers below 2^63: those of the noisy rows, then those of the clean rows. The
    noise, the flow time and the dropped conditions of a row depend on its seed alone, so equal seeds
    give equal draws for two sets of pictures. Raises ValueError for another number of seeds.
    """
    count = len(pictures)
    if len(seeds) != 2 * count:
        raise ValueError(f"two seeds are needed for each picture, {2 * count} in all, got {len(seeds)}")
    parts = [
        _measure_chunk(model, pictures, slice(start, min(start + chunk, count)), config, precision, seeds, device)
        for start in range(0, count, chunk)
    ]
    flow = [part.flow_N for part in parts]
    return Measured(
        torch.cat(flow), torch.cat([part.t_N for part in parts]), concatenate_pairs([part.pairs for part in parts])
    )


def _measure_chunk(
    model: Majolica,
    pictures: Captioned,
    rows: slice,
    config: RunConfig,
    precision: Precision,
    seeds: Sequence[int],
    device: torch.device,
) -> Measured:
    images_B3HW = to_device(pictures.images_N3HW[rows].repeat(2, 1, 1, 1), device).float() / 255
    tokens_BL = to_device(pictures.tokens_NL[rows].repeat(2, 1), device)
    clean = slice(len(pictures) + rows.start, len(pictures) + rows.stop)
    inputs, targets = make_rows(
        images_B3HW,
        {},
        tokens_BL,
        config.loss,
        config.model,
        rows.stop - rows.start,
        Draws.seeded([*seeds[rows], *seeds[clean]], device),
        {name: to_device(values_N[rows].repeat(2), device) for name, values_N in pictures.columns.items()},
    )
    with autocast(precision, device):
        outputs = model(inputs)
    t_M = inputs.t_B[: inputs.noisy]
    flow_M = velocity_loss(outputs.base_M3HW, targets.base_M3HW, t_M, 1, config.loss.t_floor)
    return Measured(flow_M, t_M, clean_pairs(outputs, targets))
