"""The step of a run, on tensors that have a shape and no memory."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from majolica.activation.trace import Step
from majolica.config.run import RunConfig
from majolica.config.split import RowSplit, count_on_rank, noisiest_split
from majolica.models.conditions import Condition
from majolica.models.decoder import Window
from majolica.models.majolica import Majolica, Rows
from majolica.models.precision import Precision
from majolica.objectives.joint import Targets
from majolica.objectives.objective import Objective, Others, clean_pairs


def step_of(config: RunConfig, device: str = "cpu") -> Step:
    """One micro-step of `config` on `device`, at the time of the training that has the most noisy rows.

    Under FakeTensorMode it takes no memory and any size will do. Rows of other ranks and earlier micro-steps in the
    contrastive loss are left out.
    """
    with torch.device(device):
        model = Majolica(config.model)
        rows, targets = inputs(config)
    condition, window = rows.condition, rows.window
    known = [
        rows.base_B3HW,
        rows.t_B,
        rows.pixels_F3HW,
        window.top_B,
        window.left_B,
        condition.tokens_BL,
        condition.has_text_B,
        condition.values_BP,
        condition.has_value_BP,
        targets.base_M3HW,
        targets.fine_F3HW,
        targets.caption_C,
        model.rope(model.grid(rows.base_B3HW), rows.base_B3HW.device),
    ]
    return Step(
        model=model,
        calls=model.blocks(fine=fine_rows(config) > 0),
        forward=partial(forward, model, config, rows, targets),
        inputs=known,
        standing=config.train.accumulate > 1 or config.train.processes > 1,
    )


def forward(model: Majolica, config: RunConfig, rows: Rows, targets: Targets) -> Tensor:
    """The loss of a micro-step that knows of no other rank and of no earlier micro-step."""
    precision = config.train.precision
    settled: Precision = "bf16" if precision == "auto" else precision  # what is left to the machine may be that
    objective = Objective(config.loss, largest_split(config), ranks_of(config), settled)
    outputs = objective.predict(model, rows)
    others = Others.none(clean_pairs(outputs, targets))
    return objective.losses(model, outputs, rows, targets, others)["loss"] / config.train.accumulate


def largest_split(config: RunConfig) -> RowSplit:
    """How the global micro-batch is used at the time of the training that has the most noisy rows."""
    return noisiest_split(config.loss, config.train.batch * ranks_of(config))


def ranks_of(config: RunConfig) -> int:
    """Processes of the training; one where that is left to the machine."""
    return config.train.processes or 1


def noisy_rows(config: RunConfig) -> int:
    """The most noisy rows that a rank's micro-step has in the course of the training."""
    return count_on_rank(largest_split(config).noisy, 0, ranks_of(config))


def fine_rows(config: RunConfig) -> int:
    """The most of them that are painted larger than the base."""
    return count_on_rank(largest_split(config).fine, 0, ranks_of(config))


def inputs(config: RunConfig) -> tuple[Rows, Targets]:
    """Rows and targets of the right shapes."""
    model, loss, batch = config.model, config.loss, config.train.batch
    noisy, fine = noisy_rows(config), fine_rows(config)
    clean = batch - noisy
    side, scale = model.resolution, loss.fine_scale
    base_B3HW, fine_F3HW = torch.randn(batch, 3, side, side), torch.randn(fine, 3, side, side)
    t_B = torch.cat((torch.rand(noisy), torch.ones(clean)))
    condition = Condition(
        tokens_BL=torch.randint(1, model.text.vocab, (batch, model.text.length)),
        has_text_B=torch.ones(batch, dtype=torch.bool),
        values_BP=torch.rand(batch, len(model.properties)),
        has_value_BP=torch.ones(batch, len(model.properties), dtype=torch.bool),
    )
    window = Window(torch.zeros(fine), torch.zeros(fine), 1 / scale, scale)
    rows = Rows(base_B3HW, t_B, condition, fine_F3HW, window, noisy)
    targets = Targets(torch.randn(noisy, 3, side, side), torch.randn_like(fine_F3HW), torch.arange(clean))
    return rows, targets
