"""Sums losses over steps and ranks since the last line of the log, and saves them in checkpoints."""

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
    """The sum and the number of finite values, both averaged over the ranks.

    The sum is float64 on the host.
    """

    value: Tensor
    count: float

    @property
    def mean(self) -> Tensor:
        """Mean of the values, float32; NaN if there are none."""
        return (self.value / self.count if self.count else torch.full_like(self.value, torch.nan)).float()


@dataclass
class Sums:
    """The result of `Tally.sum_up`."""

    losses: dict[str, Sum]
    skipped: list[int]
    """Numbers of the optimiser steps whose gradient was not finite."""
    left_out: int
    """Losses that were not finite, counted over steps and ranks; the means exclude them."""
    own_RV: Tensor
    """The values that each rank passed as `own`, `(ranks, values)`."""


@dataclass
class Tally:
    """The losses of this rank's optimiser steps since the last line of the log.

    They stay on the device until they are summed.
    """

    steps: list[tuple[int, Losses]] = field(default_factory=list)
    losses_before: dict[str, Sum] = field(default_factory=dict)
    """In a resumed run, the sums over all ranks up to the checkpoint.

    The next two fields also stand for the steps up to the checkpoint.
    """
    skipped_before: list[int] = field(default_factory=list)
    left_out_before: int = 0

    def add(self, step: int, losses: Losses) -> None:
        """Add the losses of optimiser step `step`."""
        self.steps.append((step, losses))

    def sum_up(self, group: Group, own: Mapping[str, float] | None = None) -> Sums:
        """Sum over steps and ranks, and gather each rank's `own` values. All ranks must call it.

        This takes one small all-reduce and one read from the device. The sums are float64, so that
        float32 numbers lose nothing. Values that are not finite are left out; a loss that only some
        steps have is averaged over those steps.
        """
        if not self.steps and not own:
            return Sums(self.losses_before, self.skipped_before, self.left_out_before, torch.zeros(group.world, 0))
        names = list(dict.fromkeys(name for _, losses in self.steps for name in losses))
        shapes = {name: next(losses[name].shape for _, losses in self.steps if name in losses) for name in names}
        sums = [self._sum_finite(name) for name in names]
        own_V = torch.tensor([*(own or {}).values()], device=group.device, dtype=torch.float64)
        own_RV = own_V.new_zeros(group.world, len(own_V))
        own_RV[group.rank] = own_V * group.world  # so that the mean over the ranks is the value
        finite = [self._has_finite_gradient(losses, group.device) for _, losses in self.steps]
        flat = mean_over_ranks(torch.cat([*sums, *finite, own_RV.flatten()]), group).cpu()
        pieces = flat.split([*(len(x) for x in sums), len(finite), own_RV.numel()])  # type: ignore[no-untyped-call]
        here = {
            name: Sum(piece[:-1].view(shapes[name]), piece[-1].item())
            for name, piece in zip(names, pieces, strict=False)
        }
        skipped = [step for (step, _), share in zip(self.steps, pieces[-2].tolist(), strict=True) if share < 1]
        not_finite = len(self.steps) - here["loss"].count if "loss" in here else 0
        return Sums(
            merge_sums(self.losses_before, here),
            self.skipped_before + skipped,
            self.left_out_before + round(not_finite * group.world),
            pieces[-1].view_as(own_RV),
        )

    def clear(self) -> None:
        """Start again, after a line of the log has been written."""
        self.steps.clear()
        self.losses_before, self.skipped_before, self.left_out_before = {}, [], 0

    def state(self, group: Group) -> dict[str, Any]:
        """Return JSON for `load`, the same on every rank. All ranks must call it."""
        sums = self.sum_up(group)
        losses = {name: [x.value.tolist(), x.count] for name, x in sums.losses.items()}
        return {"losses": losses, "skipped": sums.skipped, "left_out": sums.left_out}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned, on any number of ranks."""
        self.clear()
        self.losses_before = {
            name: Sum(torch.tensor(value, dtype=torch.float64), count)
            for name, (value, count) in state.get("losses", {}).items()
        }
        self.skipped_before, self.left_out_before = [*state.get("skipped", [])], state.get("left_out", 0)

    def _sum_finite(self, name: str) -> Tensor:
        """Return a vector with the sum of this rank's finite values of `name`, and then their number."""
        values_SK = torch.stack([losses[name].double().flatten() for _, losses in self.steps if name in losses])
        finite_S1 = values_SK.isfinite().all(1, keepdim=True)
        return torch.cat((torch.where(finite_S1, values_SK, 0).sum(0), finite_S1.sum(0).double()))

    @staticmethod
    def _has_finite_gradient(losses: Losses, device: torch.device) -> Tensor:
        """Return 1 if the gradient of a step was finite, else 0; `(1,)`."""
        norm = losses.get("gradient_norm")
        if norm is None:
            return torch.ones(1, dtype=torch.float64, device=device)
        return norm.isfinite().double().reshape(1)


def merge_sums(before: Mapping[str, Sum], here: Mapping[str, Sum]) -> dict[str, Sum]:
    """Add the sums by name."""
    merged = dict(before)
    for name, new in here.items():
        old = before.get(name)
        merged[name] = Sum(old.value + new.value, old.count + new.count) if old else new
    return merged
