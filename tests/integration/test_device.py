"""Training on a device that is not the host, as far as a machine without a GPU can tell.

The device is torch's `meta`: its tensors have shapes and no values. Whoever reads one fails, whoever mixes it with the
host's fails, and copies to it can be counted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks.allocator import measure_peak
from torch._subclasses.fake_tensor import FakeTensorMode

from majolica.activation.apply import apply_choices
from majolica.activation.chain import peak
from majolica.activation.chain_builder import trace_chain
from majolica.activation.choices import CHOICES
from majolica.activation.margin import margin_on
from majolica.activation.plan import plan_chain
from majolica.activation.solve import smallest_budget
from majolica.activation.step import build_step
from majolica.config.loss import LossConfig
from majolica.config.run import RunConfig
from majolica.config.training import TrainConfig
from majolica.distributed.group import Group, any_rank, broadcast_number
from majolica.estimate.trace import fake_group
from majolica.launch.prepare import prepare_run
from majolica.models.precision import Precision
from majolica.objectives import draws
from majolica.train import network, state, step
from majolica.train.optim.optimisers import load_state_by_name, state_by_name
from reads import Reads
from tiny import TINY, tiny_run

ELSEWHERE = torch.device("meta")


@pytest.fixture(params=[1, 2])
def run(
    request: pytest.FixtureRequest, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[state.Run]:
    """The first rank of a run on that device, fed with two steps' batches as a GPU's: pictures there, the rest here.

    A second rank is imagined. DistributedDataParallel cannot be built there, so gradients are not reduced.
    """
    monkeypatch.setattr(draws, "generator", lambda device: torch.Generator())
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(sys.modules["torch.optim.optimizer"], "_get_fused_kernels_supported_devices", lambda: ["meta"])
    monkeypatch.setattr(network, "wrap_in_ddp", lambda model, *_: model)
    config = tiny_run(shards)
    job = dataclasses.replace(config.train, processes=request.param, shard_optimizer=request.param > 1)
    config = prepare_run(dataclasses.replace(config, train=job), tmp_path, resume=False)
    with fake_group(request.param):
        yield fed(state.build_run(config, tmp_path, Group(0, request.param, ELSEWHERE)))


def fed(run: state.Run) -> state.Run:
    """The run with two steps' batches instead of its loader."""
    device = run.group.device
    batches = [next(run.feed) for _ in range(2 * run.config.train.accumulate)]
    run.feed.close()
    moved = [
        dataclasses.replace(
            batch,
            images_B3HW=batch.images_B3HW.to(device),
            large={scale: some.to(device) for scale, some in batch.large.items()},
        )
        for batch in batches
    ]
    run.feed = iter(moved)  # type: ignore[assignment]
    return run


def test_a_step_never_waits_for_the_device(run: state.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "tensor", no_value_is_copied)
    for _ in range(2):  # the second is logged, so looked at closely
        with Reads() as reads:
            losses, _ = step.optimiser_step(run)
        assert reads.count == 0
        assert reads.crossings > 0  # or nothing would have been counted
        assert {value.device for value in losses.values()} == {ELSEWHERE}
    assert "agreement" in losses


def test_ranks_agree_on_the_host() -> None:
    with fake_group(2):
        group = Group(0, 2, ELSEWHERE)
        assert any_rank(True, group) and not any_rank(False, group) and broadcast_number(7, group) == 7


def no_value_is_copied(values: Any, *, device: torch.device | str = "cpu", real: Any = torch.tensor) -> torch.Tensor:
    """torch.tensor, whose copy of a number to a GPU waits and is not dispatched."""
    assert torch.device(device).type == "cpu"
    return real(values)


def test_state_goes_back_to_the_device_whole(run: state.Run) -> None:
    step.optimiser_step(run)
    saved = state_by_name(run.model, run.optimisers)
    on_host = {name: torch.zeros(value.shape) for name, value in saved.items()}
    load_state_by_name(run.model, run.optimisers, on_host)
    again = state_by_name(run.model, run.optimisers)
    assert again.keys() == saved.keys() and {value.device for value in again.values()} == {ELSEWHERE}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_step_on_a_gpu_never_waits(shards: Path, tmp_path: Path) -> None:
    config = prepare_run(tiny_run(shards), tmp_path, resume=False)
    run = fed(state.build_run(config, tmp_path, Group(0, 1, torch.device("cuda", 0))))
    step.optimiser_step(run)  # pinned memory is made once
    torch.cuda.set_sync_debug_mode("error")
    try:
        step.optimiser_step(run)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_plans_keep_to_their_budget_on_a_gpu(precision: Precision) -> None:
    model = dataclasses.replace(TINY, resolution=64, patch=8, width=128, heads=4, perception_depth=3, synthesis_depth=3)
    train = TrainConfig(batch=256, accumulate=1, processes=1, precision=precision)
    config = RunConfig(model=model, loss=LossConfig(fine_share=1.0, fine_scales=(4,)), train=train)
    with FakeTensorMode():
        chain = trace_chain(build_step(config), [choice for choice in CHOICES if choice != "offload"])
    margin = margin_on("cuda", precision, len(chain.links))
    least, most = (margin.budget_for(x) for x in (smallest_budget(chain), peak(chain, ("keep",) * len(chain.links))))
    step = build_step(config, "cuda")
    for share in (0.0, 0.2, 0.6, 1.0):
        plan = plan_chain(chain, int(least + share * (most - least)), margin)
        undo = apply_choices(step.model, step.calls, plan.choices)
        for _ in range(2):  # libraries take their workspaces in the first
            took = measure_peak(lambda: step.forward().backward(), "cuda")  # type: ignore[no-untyped-call]
            step.model.zero_grad(set_to_none=True)
        undo()
        assert took <= plan.budget, (share, took / plan.peak)
        assert took > 0.95 * plan.peak
