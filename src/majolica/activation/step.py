"""A micro-step of a run with random data of the right shapes, for tracing."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from majolica.activation.chain_builder import Step
from majolica.config.run import RunConfig
from majolica.config.split import RowSplit, count_on_rank, fine_on_rank, noisiest_split
from majolica.models.conditions import Condition
from majolica.models.majolica import Crops, Majolica, Rows
from majolica.models.parts import freeze
from majolica.models.precision import Precision
from majolica.objectives.joint import FineTargets, Targets
from majolica.objectives.objective import Objective, Others, clean_pairs
from majolica.objectives.windows import choose_tiles, first_pixels


def build_step(config: RunConfig, device: str = "cpu") -> Step:
    """Build one micro-step of `config` on `device`.

    It is taken at the point of the training that has the most noisy rows. Under FakeTensorMode this
    takes no memory, so a model of any size can be built. The contrastive loss leaves out the rows
    of other ranks and of earlier micro-steps.
    """
    with torch.device(device):
        model = Majolica(config.model)
        freeze(model, config.train.only)
        rows, targets = build_inputs(config)
    condition = rows.condition
    known_tensors = [
        rows.base_B3HW,
        rows.t_B,
        *(crops.base_F3HW for crops in rows.fine),
        *(tensor for crops in rows.fine for tensor in (crops.pixels_F3HW, crops.window.top_B, crops.window.left_B)),
        condition.tokens_BL,
        condition.has_text_B,
        condition.values_BP,
        condition.has_value_BP,
        targets.base_M3HW,
        *(fine.detail_F3HW for fine in targets.fine),
        targets.caption_C,
        model.rope(model.grid(rows.base_B3HW), rows.base_B3HW.device),
    ]
    return Step(
        model=model,
        calls=model.blocks(painted_scales(config)),
        forward=partial(compute_loss, model, config, rows, targets),
        inputs=known_tensors,
        gradients_persist=config.train.accumulate > 1 or config.train.processes > 1,
    )


def compute_loss(model: Majolica, config: RunConfig, rows: Rows, targets: Targets) -> Tensor:
    """Return the loss (a scalar) without the rows of other ranks and of earlier micro-steps."""
    # "auto" may become bf16 on the machine that trains.
    precision: Precision = "bf16" if config.train.precision == "auto" else config.train.precision
    objective = Objective(config.loss, largest_split(config), rank_count(config), precision)
    outputs = objective.predict(model, rows)
    others = Others.none(clean_pairs(outputs, targets))
    return objective.compute_losses(model, outputs, rows, targets, others)["loss"] / config.train.accumulate


def largest_split(config: RunConfig) -> RowSplit:
    """Return the split of the global micro-batch when it has the most noisy rows."""
    return noisiest_split(config.loss, config.train.batch * rank_count(config))


def rank_count(config: RunConfig) -> int:
    """Return the number of processes of the training; 1 if `config` leaves it to the machine."""
    return config.train.processes or 1


def noisy_rows(config: RunConfig) -> int:
    """Return the most noisy rows that the first rank's micro-steps have during the training."""
    return count_on_rank(largest_split(config).noisy, 0, rank_count(config))


def fine_rows(config: RunConfig) -> dict[int, int]:
    """Return how many of `noisy_rows` are painted larger than the base picture, at each scale, on the rank that has the
    most pixels of them."""
    places, scales, world = largest_split(config).fine, config.loss.fine_scales, rank_count(config)
    counts = (fine_on_rank(places, scales, rank, world) for rank in range(world))
    model = config.model
    read = {scale: first_pixels(model.resolution, scale, model.decoder)[1] ** 2 for scale in scales}
    return max(counts, key=lambda count: sum(read[scale] * rows for scale, rows in count.items()))


def painted_scales(config: RunConfig) -> tuple[int, ...]:
    """Return the scales at which the training paints larger pictures."""
    return config.loss.fine_scales if largest_split(config).fine else ()


def build_inputs(config: RunConfig) -> tuple[Rows, Targets]:
    """Return random rows and targets with the shapes of the first rank's micro-step."""
    model, batch = config.model, config.train.batch
    noisy, side = noisy_rows(config), model.resolution
    clean = batch - noisy
    base_B3HW = torch.randn(batch, 3, side, side)
    t_B = torch.cat((torch.rand(noisy), torch.ones(clean)))
    condition = Condition(
        tokens_BL=torch.randint(1, model.text.vocab, (batch, model.text.length)),
        has_text_B=torch.ones(batch, dtype=torch.bool),
        values_BP=torch.rand(batch, len(model.properties)),
        has_value_BP=torch.ones(batch, len(model.properties), dtype=torch.bool),
    )
    fine, targets = [], []
    for scale in painted_scales(config):
        count = fine_rows(config)[scale]
        tiles = choose_tiles([(0, 0)] * count, (side, side), scale, model.decoder, base_B3HW.device)
        fine.append(Crops(torch.randn(count, 3, *tiles.size), tiles.window, torch.randn(count, 3, side, side)))
        targets.append(FineTargets(torch.randn(count, 3, side, side), tiles.inner))
    rows = Rows(base_B3HW, t_B, condition, tuple(fine), noisy)
    return rows, Targets(torch.randn(noisy, 3, side, side), tuple(targets), torch.arange(clean))
