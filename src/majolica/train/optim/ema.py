"""Exponential moving average of the weights: what evaluation and sampling use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from majolica.device import synchronize


def decay_at(step: int, decay: float) -> float:
    """Decay of optimiser step `step`; shorter at first, so that the start is forgotten."""
    return min(decay, step / (step + 10))


class Ema:
    """Averaged copies of those of a model's parameters that are `mine`, by name; on the CPU when so told."""

    def __init__(
        self,
        model: nn.Module,
        decay: float,
        mine: Callable[[str], bool] = lambda name: True,
        device: Literal["same", "cpu"] = "same",
    ) -> None:
        self.decay = decay
        values = {name: value.detach() for name, value in model.named_parameters() if mine(name)}
        self.device = torch.device("cpu") if device == "cpu" else next(model.parameters()).device
        self.average = {name: value.to(self.device, copy=True) for name, value in values.items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int, moved: Tensor) -> None:
        """Move the average towards the model's parameters, where `moved` is 1 and not 0: a scalar on their device."""
        own = dict(model.named_parameters())
        current = [own[name].detach().to(self.device, non_blocking=True) for name in self.average]
        weight = ((1 - decay_at(step, self.decay)) * moved).to(self.device, non_blocking=True)
        if moved.device != self.device:  # averaged on the host: it waits for the copies, once
            synchronize(moved.device)
        torch._foreach_lerp_(list(self.average.values()), current, [weight] * len(current))


@contextmanager
def swap_in_ema(weights: dict[str, Tensor], model: nn.Module, compiled: bool) -> Iterator[None]:
    """Lend `weights` to a model; its own, which wait in the host's memory, come back even after an exception.

    The blocks of a model that is `compiled` run as they are meanwhile: they would be compiled again for other shapes,
    and might then give up on those of training.
    """
    own = {name: value.detach().to("cpu", copy=True) for name, value in model.named_parameters()}
    try:
        assign(model, weights)
        with torch.compiler.set_stance("force_eager" if compiled else "default"):
            yield
    finally:
        assign(model, own)


@torch.no_grad()
def assign(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Copy weights into a model's parameters by name."""
    for name, value in model.named_parameters():
        value.copy_(weights[name])
