"""What ranks add up: gradients once a step, rounded to bfloat16 on their way, and counts by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from majolica.distributed.group import Group, sum_counts
from majolica.distributed.reduce import Traffic, wrap_in_ddp
from rank_runs import config_for, run_ranks
from ranks import on_ranks


def gradients_of_a_rank(group: Group) -> tuple[list[np.ndarray], ...]:
    """Local gradients, plain DDP's, and those of our hook in float32 and bfloat16; and the bytes of the last."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(24, 40), nn.Tanh(), nn.Linear(40, 3))
    x = torch.randn(8, 24, generator=torch.Generator().manual_seed(group.rank))

    def gradients(network: nn.Module) -> list[np.ndarray]:
        model.zero_grad()
        network(x).square().sum().backward()
        return [value.grad.numpy().copy() for value in model.parameters()]

    traffic = Traffic()
    plain = gradients(DistributedDataParallel(model, gradient_as_bucket_view=True))
    single = gradients(wrap_in_ddp(model, group, torch.float32, Traffic()))
    rounded = gradients(wrap_in_ddp(model, group, torch.bfloat16, traffic))
    return gradients(model), plain, single, rounded, [np.array(traffic.sent)]


def bf16(x: Tensor) -> Tensor:
    return x.to(torch.bfloat16).float()


@pytest.mark.parametrize("world", [2, 4])
def test_the_hook_is_a_rounded_all_reduce(tmp_path: Path, world: int) -> None:
    answers = on_ranks(world, gradients_of_a_rank, tmp_path)
    for index in range(4):
        local = [torch.tensor(answer[0][index]) for answer in answers]
        _, plain, single, rounded, _ = (torch.tensor(answers[0][part][index]) for part in (0, 1, 2, 3, 0))
        assert all(np.array_equal(rounded, answer[3][index]) for answer in answers)
        total = torch.stack([bf16(x) for x in local]).sum(0)
        if world == 2:
            assert torch.equal(single, plain)
            assert torch.equal(rounded, bf16(total) / 2)
        torch.testing.assert_close(single, plain, rtol=1e-6, atol=1e-6)
        # world - 1 additions, each rounded to 8 bits.
        bound = (world - 1) * 2**-8 * torch.stack([x.abs() for x in local]).sum(0) / world + 1e-7
        assert ((rounded - total / world).abs() <= bound).all()
        assert not torch.equal(rounded, single)
    assert answers[0][4][0] == 2 * (24 * 40 + 40 + 40 * 3 + 3)


def test_gradients_travel_once_per_optimiser_step(shards: Path, tmp_path: Path) -> None:
    bf16_run = config_for(shards, 2, reduce="bf16", accumulate=3)
    for answer in run_ranks(bf16_run, tmp_path, 2):
        assert answer["sent"] == 2 * 2 * sum(value.size for value in answer["weights"].values())


def counts_of_a_rank(group: Group) -> list[tuple[str, int]]:
    return list(
        sum_counts({"both": 1 + group.rank, f"rank {group.rank}": 4} if group.rank else {"both": 1}, group).items()
    )


def test_counts_of_all_ranks_are_added_up(tmp_path: Path) -> None:
    assert on_ranks(2, counts_of_a_rank, tmp_path) == [[("rank 1", 4), ("both", 3)]] * 2
