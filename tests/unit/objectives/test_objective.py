"""The weights of the losses: each scales its own term alone, and 0 takes it away."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from majolica.activation.step import build_inputs
from majolica.config.loss import LossConfig
from majolica.config.run import RunConfig
from majolica.config.split import RowSplit
from majolica.config.training import TrainConfig
from majolica.models.majolica import Majolica
from majolica.objectives.objective import Objective, Others, clean_pairs
from tiny import TINY, awake

LOSS = LossConfig(clean_share=0.5, clean_share_end=0.5, fine_share=0.5)


def compute(**weights: float) -> tuple[dict[str, torch.Tensor], Majolica]:
    config = RunConfig(
        model=TINY,
        loss=dataclasses.replace(LOSS, **weights),
        train=TrainConfig(batch=8, accumulate=1, processes=1, precision="fp32"),
    )
    torch.manual_seed(0)
    model, (rows, targets) = awake(Majolica(TINY)), build_inputs(config)
    objective = Objective.of(config, RowSplit(8, 4, 2), 1)
    outputs = objective.predict(model, rows)
    losses = objective.compute_losses(model, outputs, rows, targets, Others.none(clean_pairs(outputs, targets)))
    losses["loss"].backward()
    return losses, model


def gradient(model: Majolica, part: str) -> float:
    return sum(float(x.grad.abs().sum()) for x in model.parts()[part].parameters() if x.grad is not None)


def test_the_loss_is_the_weighted_sum_to_the_bit() -> None:
    losses, _ = compute(contrastive=0.3)
    assert torch.equal(losses["loss"], losses["flow"] + 0.5 * losses["fine"] + 0.3 * losses["contrastive"])
    doubled, _ = compute(contrastive=0.3, flow=2.0)
    assert doubled["loss"].item() == pytest.approx(
        2 * (losses["flow"] + 0.5 * losses["fine"]).item() + 0.3 * losses["contrastive"].item(), rel=1e-6
    )


def test_without_a_loss_nothing_of_it_is_learned() -> None:
    _, both = compute()
    _, eye = compute(flow=0.0)
    _, painter = compute(contrastive=0.0)
    assert gradient(both, "synthesis") > 0 and gradient(both, "perception") > 0
    assert gradient(eye, "synthesis") == gradient(eye, "decoder") == 0 < gradient(eye, "perception")
    assert gradient(painter, "synthesis") > 0
    assert painter.logit_scale.grad is not None and painter.logit_scale.grad == 0
