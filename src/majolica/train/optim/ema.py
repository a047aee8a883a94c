"""Exponential moving average of the weights: what evaluation and sampling use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from majolica.device import synchronize


def decay_at(step: int, decay: float) -> float:
    """Return the decay at optimiser step `step`; smaller at first, so that the start is forgotten."""
    return min(decay, step / (step + 10))


class Ema:
    """Averaged copies, by name, of the parameters that `mine` selects; on the CPU if `device` says so."""

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
    def update(self, model: nn.Module, step: int, finite: Tensor) -> None:
        """Move the average towards the model's parameters, unless `finite` is 0.

        `finite` is a scalar, 0 or 1, on the device of the parameters.
        """
        own = dict(model.named_parameters())
        current = [own[name].detach().to(self.device, non_blocking=True) for name in self.average]
        weight = ((1 - decay_at(step, self.decay)) * finite).to(self.device, non_blocking=True)
        if finite.device != self.device:  # the host must not read the copies before they are complete
            synchronize(finite.device)
        torch._foreach_lerp_(list(self.average.values()), current, [weight] * len(current))


@contextmanager
def swap_in_ema(weights: dict[str, Tensor], model: nn.Module, compiled: bool) -> Iterator[None]:
    """Give a model `weights` for the `with` block; its own come back even after an exception.

    The model's own weights are kept in the host's memory meanwhile. The blocks of a `compiled`
    model run uncompiled: other shapes would compile them again, and after too many compilations
    torch would also run the shapes of training uncompiled.
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
