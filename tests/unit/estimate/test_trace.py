"""What a plan counts is what a real model computes, holds and saves."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from majolica.activation.step import build_inputs
from majolica.config.loss import LossConfig
from majolica.config.run import RunConfig
from majolica.config.training import OptimConfig, TrainConfig
from majolica.distributed.group import Group
from majolica.estimate import trace as module
from majolica.estimate.trace import SavedTensors, last_micro_step_loss, trace
from majolica.models.majolica import Majolica
from tiny import TINY


def config(**train: object) -> RunConfig:
    values = {"steps": 10, "batch": 8, "accumulate": 2, "processes": 1, "precision": "fp32", **train}
    return RunConfig(
        model=TINY,
        loss=LossConfig(clean_share=0.5, clean_share_end=0.5, fine_share=0.25),
        optim=OptimConfig(warmup=1),
        train=TrainConfig(**values),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_trace_is_of_the_real_step(precision: str) -> None:
    """The same counters around a model with real memory see the same FLOPs and the same held bytes."""
    traced = trace(config(precision=precision))
    model = Majolica(TINY)
    rows, targets = build_inputs(config())
    saved, forward, backward = SavedTensors(model), module.flop_counter(), module.flop_counter()
    with forward, saved, saved_tensors_hooks(saved.note, lambda x: x):
        loss = last_micro_step_loss(model, rows, targets, config(precision=precision), Group(0, 1, torch.device("cpu")))
    with backward:
        loss.backward()
    assert traced.forward_flops == forward.get_total_flops() > 0
    assert traced.backward_flops == backward.get_total_flops() > 1.5 * traced.forward_flops
    assert traced.bf16_copies == saved.copy_bytes()
    # In bf16 torch gives attention's log-sum-exp 2 bytes without memory and 4 with it.
    assert traced.activations == pytest.approx(saved.activation_bytes(), rel=0.01 if precision == "bf16" else 0)
    assert (traced.bf16_copies > 0) == (precision == "bf16")
    assert sum(traced.parameters.values()) == sum(x.numel() for x in model.parameters())
    assert traced.weights == traced.gradients == traced.ema == 4 * sum(traced.parameters.values())


def test_held_bytes_are_those_of_a_layer_done_by_hand() -> None:
    """A linear layer saves its input once, used twice under two views; its weight is not counted."""
    layer = torch.nn.Linear(16, 16)
    x = torch.randn(4, 16)
    saved = SavedTensors(layer)
    with saved, saved_tensors_hooks(saved.note, lambda x: x):
        (layer(x).tanh() + layer(x.view(4, 16)).tanh()).sum()
    assert saved.activation_bytes() == 4 * (4 * 16) * 3  # the input, and two tanhs


def test_attention_is_counted() -> None:
    """Forward 4 B N^2 D a layer; without its formula the CPU's flash attention would count nothing."""
    q = torch.randn(2, 2, 16, 8)
    with module.flop_counter() as flops:
        torch.nn.functional.scaled_dot_product_attention(q, q, q)
    assert module.attention_flops(flops) == flops.get_total_flops() == 4 * 2 * 16 * 16 * 2 * 8


def test_other_ranks_cost_their_pairs_and_no_more() -> None:
    """One row more of another rank is two products in each direction of the pair matrix."""
    one, four = trace(config(accumulate=1)), trace(config(accumulate=1, processes=4))
    pairs = 4 * (3 * 4)  # clean rows here, and elsewhere
    assert four.forward_flops - one.forward_flops == 2 * pairs * TINY.embed * 3 * 2
    assert four.weights == one.weights


def test_sharding_and_off_loading_take_their_share_away() -> None:
    whole, parts = trace(config(processes=4)), trace(config(processes=4, shard_optimizer=True))
    assert parts.optimiser < 0.3 * whole.optimiser and parts.ema < 0.3 * whole.ema
    assert trace(config(ema_device="cpu")).ema == 0


def test_muon_is_counted_and_shared_out() -> None:
    muon = dataclasses.replace(config(processes=2), optim=OptimConfig(warmup=1, muon_lr=0.01))
    shared = dataclasses.replace(muon, train=dataclasses.replace(muon.train, shard_optimizer=True))
    assert trace(config()).optimiser_flops == 0
    assert 0 < trace(shared).optimiser_flops < 0.7 * trace(muon).optimiser_flops
