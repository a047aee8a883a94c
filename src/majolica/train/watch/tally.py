"""Losses since the last line of the log: added up over steps and ranks, and carried over a stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from majolica.distributed.group import Group, mean_over_ranks

Losses = dict[str, Tensor]


@dataclass
class Sum:
    """A sum of finite values and how many they are, both averaged over the ranks; float64, on the host."""

    value: Tensor
    count: float

    @property
    def mean(self) -> Tensor:
        """Mean of the values, float32; NaN where there is none."""
        return (self.value / self.count if self.count else torch.full_like(self.value, torch.nan)).float()


@dataclass
class Sums:
    """What a tally comes to."""

    losses: dict[str, Sum]
    skipped: list[int]
    """Optimiser steps whose gradient was not finite."""
    left_out: int
    """Losses that were not finite, counted over steps and ranks: no mean holds them."""
    own_RV: Tensor
    """Every rank's own values `(ranks, values)`."""


@dataclass
class Tally:
    """The losses of this rank's optimiser steps since the last line of the log. Nothing is read from the device."""

    steps: list[tuple[int, Losses]] = field(default_factory=list)
    before: dict[str, Sum] = field(default_factory=dict)
    """What the steps before the checkpoint, of a run that was resumed, had come to, over all ranks."""
    skipped_before: list[int] = field(default_factory=list)
    left_out_before: int = 0

    def add(self, step: int, losses: Losses) -> None:
        """The losses of optimiser step `step`."""
        self.steps.append((step, losses))

    def sum_up(self, group: Group, mine: Mapping[str, float] | None = None) -> Sums:
        """Sums over steps and ranks, and every rank's own `mine`. All ranks must ask.

        One small all-reduce in float64, which adds float32 numbers exactly, and one read from the device. A value that
        is not finite is left out; what only some steps have is averaged over those.
        """
        if not self.steps and not mine:
            return Sums(self.before, self.skipped_before, self.left_out_before, torch.zeros(group.world, 0))
        names = list(dict.fromkeys(name for _, losses in self.steps for name in losses))
        shapes = {name: next(losses[name].shape for _, losses in self.steps if name in losses) for name in names}
        found = [self._finite(name) for name in names]
        own = torch.zeros(group.world, len(mine or {}), device=group.device, dtype=torch.float64)
        own[group.rank] = torch.tensor([*(mine or {}).values()], device=group.device, dtype=torch.float64) * group.world
        moved = [self._moved(losses, group.device) for _, losses in self.steps]
        flat = mean_over_ranks(torch.cat([*found, *moved, own.flatten()]), group).cpu()
        pieces = flat.split([*(len(x) for x in found), len(moved), own.numel()])  # type: ignore[no-untyped-call]
        here = {
            name: Sum(piece[:-1].view(shapes[name]), piece[-1].item())
            for name, piece in zip(names, pieces, strict=False)
        }
        skipped = [step for (step, _), share in zip(self.steps, pieces[-2].tolist(), strict=True) if share < 1]
        lost = len(self.steps) - here["loss"].count if "loss" in here else 0
        return Sums(
            merge(self.before, here),
            self.skipped_before + skipped,
            self.left_out_before + round(lost * group.world),
            pieces[-1].view_as(own),
        )

    def clear(self) -> None:
        """Begin anew: a line of the log has been written."""
        self.steps.clear()
        self.before, self.skipped_before, self.left_out_before = {}, [], 0

    def state(self, group: Group) -> dict[str, Any]:
        """JSON that `load` takes, the same on every rank; all ranks must ask."""
        sums = self.sum_up(group)
        losses = {name: [x.value.tolist(), x.count] for name, x in sums.losses.items()}
        return {"losses": losses, "skipped": sums.skipped, "left_out": sums.left_out}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned, on any number of ranks."""
        self.clear()
        self.before = {
            name: Sum(torch.tensor(value, dtype=torch.float64), count)
            for name, (value, count) in state.get("losses", {}).items()
        }
        self.skipped_before, self.left_out_before = [*state.get("skipped", [])], state.get("left_out", 0)

    def _finite(self, name: str) -> Tensor:
        """Sum of the finite values of `name` on this rank, and their number at the end."""
        values_SK = torch.stack([losses[name].double().flatten() for _, losses in self.steps if name in losses])
        whole_S1 = values_SK.isfinite().all(1, keepdim=True)
        return torch.cat((torch.where(whole_S1, values_SK, 0).sum(0), whole_S1.sum(0).double()))

    @staticmethod
    def _moved(losses: Losses, device: torch.device) -> Tensor:
        """1 where a step's gradient was finite, else 0; `(1,)`."""
        norm = losses.get("gradient_norm")
        if norm is None:
            return torch.ones(1, dtype=torch.float64, device=device)
        return norm.isfinite().double().reshape(1)


def merge(before: Mapping[str, Sum], here: Mapping[str, Sum]) -> dict[str, Sum]:
    """Both sums together, by name."""
    merged = dict(before)
    for name, new in here.items():
        old = before.get(name)
        merged[name] = Sum(old.value + new.value, old.count + new.count) if old else new
    return merged
