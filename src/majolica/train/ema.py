"""Exponential moving average of the weights: what evaluation and sampling use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def decay_at(step: int, decay: float) -> float:
    """Decay of optimiser step `step`; shorter at first, so that the start is forgotten."""
    return min(decay, step / (step + 10))


class Ema:
    """Averaged copies of a model's parameters, by name."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.average = {name: value.detach().clone() for name, value in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int, moved: Tensor) -> None:
        """Move the average towards the model's parameters, where `moved` is 1 and not 0: a scalar on their device."""
        current: list[Tensor] = [value.detach() for _, value in model.named_parameters()]
        weight = (1 - decay_at(step, self.decay)) * moved
        torch._foreach_lerp_(list(self.average.values()), current, [weight] * len(current))

    @contextmanager
    def swapped(self, model: nn.Module) -> Iterator[None]:
        """Lend the averaged weights to `model`; its own come back even after an exception."""
        own = {name: value.detach().clone() for name, value in model.named_parameters()}
        assign(model, self.average)
        try:
            yield
        finally:
            assign(model, own)


@torch.no_grad()
def assign(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Copy weights into a model's parameters by name."""
    for name, value in model.named_parameters():
        value.copy_(weights[name])
