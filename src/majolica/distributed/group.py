"""The process group: who we are, how we start, how the ranks agree."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from majolica.distributed.environment import MEETING, has_launcher, launched
from majolica.errors import UserError
from majolica.machine import cores, keep_freed_memory


@dataclass(frozen=True)
class Group:
    """This process among its peers."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the rank that logs, saves and paints."""
        return self.rank == 0


def default_device(local_rank: int = 0) -> torch.device:
    """The accelerator of this rank, or the CPU."""
    return torch.device("cuda", local_rank) if torch.cuda.is_available() else torch.device("cpu")


def device_name(group: Group) -> str:
    """What CUDA calls this rank's GPU; "" on a CPU."""
    return torch.cuda.get_device_name(group.device) if group.device.type == "cuda" else ""


@contextmanager
def join_group(processes: int, threads: int) -> Iterator[Group]:
    """Join the other ranks, or be alone; `threads` CPU threads each, 0 for an even share of the cores."""
    local = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    torch.set_num_threads(threads or max(1, cores() // local))
    if default_device().type == "cpu":
        keep_freed_memory()
    if not launched():
        yield Group(0, 1, default_device())
        return
    if missing := [name for name in ("RANK", "WORLD_SIZE") if name not in os.environ]:
        raise UserError(
            f"LOCAL_RANK is set in the environment, as for one rank of several, but not {' and '.join(missing)}: start "
            "the ranks with torchrun, or set all of them, or unset LOCAL_RANK to train in one process"
        )
    world = int(os.environ["WORLD_SIZE"])
    if world != processes:
        raise UserError(f"{world} processes were started but --train.processes is {processes}: make them agree")
    device = default_device(int(os.environ["LOCAL_RANK"]))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # What the hosts agree on goes from host to host: asking the GPUs would wait for them at every step.
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    meeting = f"file://{os.environ[MEETING]}" if has_launcher() else "env://"
    dist.init_process_group(backend, meeting, rank=int(os.environ["RANK"]), world_size=world)
    try:
        yield Group(dist.get_rank(), world, device)
    finally:
        dist.destroy_process_group()


def any_rank(flag: bool, group: Group) -> bool:
    """Whether the flag is up on any rank; every rank gets the same answer."""
    if group.world == 1:
        return flag
    votes = torch.tensor(float(flag))  # on the host, as `from_first` is
    dist.all_reduce(votes, dist.ReduceOp.MAX)
    return bool(votes.item())


def from_first(number: int, group: Group) -> int:
    """The first rank's number."""
    if group.world == 1:
        return number
    told = torch.tensor(number)
    dist.broadcast(told, 0)
    return int(told)


@torch.no_grad()
def send_from_first(tensors: Iterable[Tensor], group: Group) -> None:
    """Give every rank the first rank's values of `tensors`, in place; all ranks have them in the same order."""
    if group.world > 1:
        for value in tensors:
            dist.broadcast(value, 0)


def mean_over_ranks(values: Tensor, group: Group) -> Tensor:
    """Average a small tensor over the ranks."""
    if group.world == 1:
        return values
    values = values.clone()
    dist.all_reduce(values)
    return values / group.world


def sum_counts(counts: Mapping[str, int], group: Group) -> dict[str, int]:
    """Counts by name, added up over the ranks, the largest first; every rank must ask, and gets the same."""
    every: list[Any] = [counts]
    if group.world > 1:
        every = [None] * group.world
        dist.all_gather_object(every, dict(counts))
    total = sum((Counter(one) for one in every), Counter[str]())
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def gather_others(x: Tensor, group: Group, counts: Sequence[int]) -> Tensor:
    """The other ranks' rows of `x`, detached, in rank order; empty when alone. `counts` are the ranks' rows."""
    x = x.detach()
    if group.world == 1:
        return x[:0]
    # What travels has one size on all ranks.
    padded = torch.cat((x, x.new_zeros(max(counts) - len(x), *x.shape[1:])))
    parts = [torch.empty_like(padded) for _ in range(group.world)]
    dist.all_gather(parts, padded)
    own = group.rank
    return torch.cat(
        [part[:count] for rank, (part, count) in enumerate(zip(parts, counts, strict=True)) if rank != own]
    )
