"""Sharing out the optimiser state and the averaged weights over the ranks (ZeRO-1, arXiv 1910.02054)."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from majolica.distributed.group import Group


@dataclass(frozen=True)
class Zero1:
    """Who steps and averages which parameter: its owner, or every rank for itself where there is none."""

    group: Group
    owner: dict[str, int]
    """Parameter name -> rank; empty when nothing is shared out."""

    @staticmethod
    def whole(group: Group) -> Zero1:
        """Every rank holds everything."""
        return Zero1(group, {})

    @staticmethod
    def over(model: nn.Module, group: Group, matrices: Set[str]) -> Zero1:
        """Largest first to the rank that has least so far: a function of names and sizes, the same on every rank.

        `matrices` and the rest are balanced apart: those may be Muon's, whose step costs far more time.
        """
        if group.world == 1:
            return Zero1.whole(group)
        sizes = {name: value.numel() for name, value in model.named_parameters()}
        owner: dict[str, int] = {}
        for names in (matrices, sizes.keys() - matrices):
            load = [0] * group.world
            for name in sorted(names, key=lambda name: (-sizes[name], name)):
                owner[name] = load.index(min(load))
                load[owner[name]] += sizes[name]
        return Zero1(group, owner)

    @property
    def split(self) -> bool:
        """Whether ranks hold different parts."""
        return bool(self.owner)

    def mine(self, name: str) -> bool:
        """Whether this rank steps the parameter."""
        return not self.owner or self.owner[name] == self.group.rank

    @torch.no_grad()
    def publish(self, model: nn.Module) -> None:
        """Give every rank the parameters that their owners have stepped: one broadcast from each owner."""
        if not self.split:
            return
        for rank in range(self.group.world):
            values = [value for name, value in model.named_parameters() if self.owner[name] == rank]
            if not values:
                continue
            flat = torch.cat([value.reshape(-1) for value in values])
            dist.broadcast(flat, rank)
            if rank != self.group.rank:
                pieces = flat.split([value.numel() for value in values])  # type: ignore[no-untyped-call]
                for value, piece in zip(values, pieces, strict=True):
                    value.copy_(piece.view_as(value))


def gather_on_first(own: dict[str, Tensor], group: Group) -> dict[str, Tensor]:
    """All ranks' named tensors on the CPU of the first; nothing elsewhere. Every rank must call it."""
    listed: list[list[tuple[str, torch.Size, torch.dtype]]] = [[] for _ in range(group.world)]
    dist.all_gather_object(listed, [(name, value.shape, value.dtype) for name, value in own.items()])
    all_of_them: dict[str, Tensor] = {}
    for rank, parts in enumerate(listed):
        for name, shape, dtype in parts:
            value = torch.empty(shape, dtype=dtype) if rank != group.rank else own[name]
            value = value.to(group.device).contiguous()
            dist.broadcast(value, rank)
            if group.first:
                all_of_them[name] = value.cpu()
    return all_of_them
