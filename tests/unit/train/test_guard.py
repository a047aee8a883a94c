"""A gradient that is not finite changes nothing, and the host is not asked."""

from __future__ import annotations

import copy

import pytest
import torch

from majolica.config.training import OptimConfig
from majolica.models.majolica import Majolica
from majolica.train.optim.ema import Ema
from majolica.train.optim.optimisers import build_optimisers, state_by_name, step_if_finite
from reads import Reads
from tiny import TINY


def test_reads_are_counted() -> None:
    with Reads() as reads:
        bool(torch.isfinite(torch.ones(())))
        torch.ones(3)[torch.ones(3) > 0]
    assert reads.count == 2


@pytest.mark.parametrize("victim", ["synthesis.blocks.0.mlp.up.weight", "logit_bias"])
def test_a_bad_gradient_leaves_everything_as_it_is(victim: str) -> None:
    torch.manual_seed(0)
    model = Majolica(TINY)
    optimisers, ema = build_optimisers(model, OptimConfig(muon_lr=0.01, weight_decay=0.1)), Ema(model, 0.5)

    def step(bad: bool) -> None:
        for name, value in model.named_parameters():
            value.grad = torch.full_like(value, torch.nan if bad and name == victim else 0.1)
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        with Reads() as reads:
            finite = torch.isfinite(norm).float()
            step_if_finite(optimisers, finite)
            ema.update(model, 5, finite)
        assert reads.count == 0

    def everything() -> dict[str, torch.Tensor]:
        weights = {name: value.detach() for name, value in model.named_parameters()}
        average = {f"ema.{name}": value for name, value in ema.average.items()}
        return copy.deepcopy(weights | state_by_name(model, optimisers) | average)

    step(bad=False)
    before = everything()
    step(bad=True)
    after = everything()
    assert {name for name in before if not torch.equal(before[name], after[name])} == set()
    step(bad=False)
    assert all(value.isfinite().all() for value in everything().values())
    assert not torch.equal(before[victim], everything()[victim])
