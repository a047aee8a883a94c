"""ZeRO-1 (arXiv 1910.02054): each rank holds a part of the optimiser state and averaged weights."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from majolica.distributed.group import Group


@dataclass(frozen=True)
class Zero1:
    """Which rank steps and averages which parameter. Without owners, every rank does all."""

    group: Group
    owner: dict[str, int]
    """Parameter name -> rank; empty if there are no owners."""

    @staticmethod
    def without_owners(group: Group) -> Zero1:
        """Return the assignment in which every rank holds everything."""
        return Zero1(group, {})

    @staticmethod
    def assign_owners(model: nn.Module, group: Group, matrices: Set[str]) -> Zero1:
        """Give each parameter, largest first, to the rank that has the fewest elements so far.

        The result depends only on names and sizes, so it is the same on every rank. The parameters
        named in `matrices` are balanced separately from the others, because Muon may step them,
        which takes far more time per element; and so are those that are frozen, which nobody steps.
        """
        if group.world == 1:
            return Zero1.without_owners(group)
        sizes = {name: value.numel() for name, value in model.named_parameters()}
        learned = {name for name, value in model.named_parameters() if value.requires_grad}
        owner: dict[str, int] = {}
        for names in (matrices & learned, learned - matrices, sizes.keys() - learned):
            load = [0] * group.world
            for name in sorted(names, key=lambda name: (-sizes[name], name)):
                owner[name] = load.index(min(load))
                load[owner[name]] += sizes[name]
        return Zero1(group, owner)

    @property
    def is_sharded(self) -> bool:
        """Whether ranks hold different parts."""
        return bool(self.owner)

    def owns(self, name: str) -> bool:
        """Whether this rank steps the parameter."""
        return not self.owner or self.owner[name] == self.group.rank

    @torch.no_grad()
    def broadcast_parameters(self, model: nn.Module) -> None:
        """Overwrite the parameters of `model` that learn, on every rank, with those of their owners.

        There is one broadcast per owner. Every rank must call it.
        """
        if not self.is_sharded:
            return
        learned = [(name, value) for name, value in model.named_parameters() if value.requires_grad]
        for rank in range(self.group.world):
            values = [value for name, value in learned if self.owner[name] == rank]
            if not values:
                continue
            flat = torch.cat([value.reshape(-1) for value in values])
            dist.broadcast(flat, rank)
            if rank != self.group.rank:
                pieces = flat.split([value.numel() for value in values])  # type: ignore[no-untyped-call]
                for value, piece in zip(values, pieces, strict=True):
                    value.copy_(piece.view_as(value))


def gather_on_first(tensors: dict[str, Tensor], group: Group) -> dict[str, Tensor]:
    """Return the named tensors of all ranks, on the CPU of the first rank.

    Other ranks get an empty dict. Every rank must call it.
    """
    listed: list[list[tuple[str, torch.Size, torch.dtype]]] = [[] for _ in range(group.world)]
    dist.all_gather_object(listed, [(name, value.shape, value.dtype) for name, value in tensors.items()])
    gathered: dict[str, Tensor] = {}
    for rank, entries in enumerate(listed):
        for name, shape, dtype in entries:
            value = torch.empty(shape, dtype=dtype) if rank != group.rank else tensors[name]
            value = value.to(group.device).contiguous()
            dist.broadcast(value, rank)
            if group.first:
                gathered[name] = value.cpu()
    return gathered
