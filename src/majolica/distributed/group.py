"""The process group: who we are, how we start, how the ranks agree."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

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


def launched() -> bool:
    """Whether torchrun started this process."""
    return "LOCAL_RANK" in os.environ


def default_device(local_rank: int = 0) -> torch.device:
    """The accelerator of this rank, or the CPU."""
    return torch.device("cuda", local_rank) if torch.cuda.is_available() else torch.device("cpu")


def device_name(group: Group) -> str:
    """What CUDA calls this rank's GPU; "" on a CPU."""
    return torch.cuda.get_device_name(group.device) if group.device.type == "cuda" else ""


@contextmanager
def joined(processes: int, threads: int) -> Iterator[Group]:
    """Join the group that torchrun made, or be alone; `threads` CPU threads each, 0 for an even share of the cores."""
    local = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    torch.set_num_threads(threads or max(1, cores() // local))
    if default_device().type == "cpu":
        keep_freed_memory()
    if not launched():
        yield Group(0, 1, default_device())
        return
    world = int(os.environ["WORLD_SIZE"])
    if world != processes:
        raise UserError(f"torchrun started {world} processes but train.processes is {processes}: make them agree")
    device = default_device(int(os.environ["LOCAL_RANK"]))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # What the hosts agree on goes from host to host: asking the GPUs would wait for them at every step.
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield Group(dist.get_rank(), world, device)
    finally:
        dist.destroy_process_group()


def spawn(processes: int, config: Path, out: Path, resume: bool) -> None:
    """Start `processes` copies of the training on this machine with torchrun, and wait for them."""
    check_room(processes, torch.cuda.device_count())
    command = [sys.executable, "-m", "majolica.distributed.agent", str(processes)]
    command += ["majolica.train.worker", str(config), str(out), *(["--resume"] if resume else [])]
    worker = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"})
    try:
        status = worker.wait()
    except KeyboardInterrupt:
        status = worker.wait()  # the terminal sent the interrupt to the workers too: let them save
        raise
    if status:
        raise UserError(f"the training stopped early (exit code {status}); its own message stands above")


def check_room(processes: int, gpus: int) -> None:
    """UserError where this machine has fewer GPUs, or without GPUs fewer cores, than `processes`."""
    room = gpus or cores()
    if processes > room:
        raise UserError(
            f"train.processes is {processes} and this machine has room for {room}: start it with torchrun on "
            f"as many machines as it takes, or set --train.processes {room}"
        )


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


def mean_over_ranks(values: Tensor, group: Group) -> Tensor:
    """Average a small tensor over the ranks."""
    if group.world == 1:
        return values
    values = values.clone()
    dist.all_reduce(values)
    return values / group.world


def gather_others(x: Tensor, group: Group) -> Tensor:
    """The other ranks' rows of `x`, detached, in rank order; empty when alone."""
    if group.world == 1:
        return x[:0].detach()
    parts = [torch.empty_like(x) for _ in range(group.world)]
    dist.all_gather(parts, x.detach().contiguous())
    return torch.cat([part for rank, part in enumerate(parts) if rank != group.rank])
