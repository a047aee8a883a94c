"""The process group: joining it, and the collective operations that training needs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from majolica.distributed.environment import MEETING, has_launcher, is_rank
from majolica.errors import UserError
from majolica.machine import cores, keep_freed_memory
from majolica.plurals import counted, plural

LONGEST_WAIT = timedelta(hours=3)
"""How long a rank waits for the others in a collective operation.

The other ranks wait while the first one alone saves, compares features and draws what was evaluated. The timeouts of
torch, 10 minutes for NCCL and 30 for gloo, could end them; a rank that hangs is missed after this time. One that has
died is noticed sooner, by the launcher or by torchrun, or because its connections close.
"""


@dataclass(frozen=True)
class Group:
    """The rank of this process, the number of ranks, and the device of this rank."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the rank that logs, saves and paints."""
        return self.rank == 0


def default_device(local_rank: int = 0) -> torch.device:
    """Return the GPU of this rank, or the CPU if there is no GPU."""
    return torch.device("cuda", local_rank) if torch.cuda.is_available() else torch.device("cpu")


def device_name(group: Group) -> str:
    """Return CUDA's name of this rank's GPU; "" on a CPU."""
    return torch.cuda.get_device_name(group.device) if group.device.type == "cuda" else ""


@contextmanager
def join_group(processes: int, threads: int) -> Iterator[Group]:
    """Join the process group, or yield a group of one if this process was started alone.

    Each rank uses `threads` CPU threads; 0 divides the cores of the machine evenly among its ranks.
    Raises UserError if the environment lacks a variable, or if the number of ranks is not
    `processes`.
    """
    local = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    torch.set_num_threads(threads or max(1, cores() // local))
    if default_device().type == "cpu":
        keep_freed_memory()
    if not is_rank():
        yield Group(0, 1, default_device())
        return
    if missing := [name for name in ("RANK", "WORLD_SIZE") if name not in os.environ]:
        raise UserError(
            f"LOCAL_RANK is set in the environment, as for one rank of several, but not {' and '.join(missing)}: start "
            "the ranks with torchrun, or set all of them, or unset LOCAL_RANK to train in one process"
        )
    world = int(os.environ["WORLD_SIZE"])
    if world != processes:
        started = f"{counted(world, 'process', 'processes')} {plural(world, 'was', 'were')} started"
        raise UserError(f"{started} but --train.processes is {processes}: make them agree")
    device = default_device(int(os.environ["LOCAL_RANK"]))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # Tensors on the CPU are reduced by gloo even beside a GPU: NCCL would make the host wait for
    # the GPU at every step.
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    meeting = f"file://{os.environ[MEETING]}" if has_launcher() else "env://"
    rank = int(os.environ["RANK"])
    # A rank that never comes is missed after torch's own 30 minutes.
    store, *_ = next(rendezvous(meeting, rank, world))
    dist.init_process_group(backend, store=store, timeout=LONGEST_WAIT, rank=rank, world_size=world)
    try:
        yield Group(dist.get_rank(), world, device)
    finally:
        dist.destroy_process_group()


def any_rank(flag: bool, group: Group) -> bool:
    """Whether `flag` is true on any rank. Every rank must call it, and gets the same answer."""
    if group.world == 1:
        return flag
    votes = torch.tensor(float(flag))  # on the CPU, as in `broadcast_number`
    dist.all_reduce(votes, dist.ReduceOp.MAX)
    return bool(votes.item())


def broadcast_number(number: int, group: Group) -> int:
    """Return the first rank's `number`. Every rank must call it."""
    if group.world == 1:
        return number
    value = torch.tensor(number)
    dist.broadcast(value, 0)
    return int(value)


@torch.no_grad()
def broadcast_in_place(tensors: Iterable[Tensor], group: Group) -> None:
    """Overwrite `tensors` on every rank with the first rank's.

    Every rank must call it, with the tensors in the same order.
    """
    if group.world > 1:
        for value in tensors:
            dist.broadcast(value, 0)


def mean_over_ranks(values: Tensor, group: Group) -> Tensor:
    """Return the average of a small tensor over the ranks."""
    if group.world == 1:
        return values
    values = values.clone()
    dist.all_reduce(values)
    return values / group.world


def sum_counts(counts: Mapping[str, int], group: Group) -> dict[str, int]:
    """Return the counts by name, summed over the ranks, largest first.

    Every rank must call it, and gets the same result.
    """
    by_rank: list[Any] = [counts]
    if group.world > 1:
        by_rank = [None] * group.world
        dist.all_gather_object(by_rank, dict(counts))
    total = sum((Counter(one) for one in by_rank), Counter[str]())
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def gather_others(x: Tensor, group: Group, counts: Sequence[int]) -> Tensor:
    """Return the other ranks' rows of `x`, detached, in rank order.

    Rows are the first dimension of `x`. The result has no rows if there is one rank. `counts` are
    the numbers of rows of all ranks, this one included.
    """
    x = x.detach()
    if group.world == 1:
        return x[:0]
    # all_gather needs the same shape on all ranks.
    padded = torch.cat((x, x.new_zeros(max(counts) - len(x), *x.shape[1:])))
    parts = [torch.empty_like(padded) for _ in range(group.world)]
    dist.all_gather(parts, padded)
    own = group.rank
    return torch.cat(
        [part[:count] for rank, (part, count) in enumerate(zip(parts, counts, strict=True)) if rank != own]
    )
