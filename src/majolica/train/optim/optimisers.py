"""AdamW for all parameters, or Muon for the matrices of the transformer blocks and AdamW for the rest."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from majolica.config.training import OptimConfig
from majolica.models.parts import Structured, hidden_matrices
from majolica.train.optim.muon import Muon


def build_optimisers(
    model: Structured,
    config: OptimConfig,
    mine: Callable[[str], bool] = lambda name: True,
    muon_dtype: torch.dtype = torch.float32,
) -> list[Optimizer]:
    """Build the optimisers of those parameters of `model` that learn and whose names `mine` selects.

    Weight decay applies to matrices only. Each group's `share` is its rate divided by `config.lr`.
    Muon computes its iteration in `muon_dtype`.
    """
    named = [(name, value) for name, value in model.named_parameters() if mine(name) and value.requires_grad]
    muon_names = hidden_matrices(model) if config.muon_lr > 0 else set()
    hidden = [value for name, value in named if name in muon_names]
    rest = [value for name, value in named if name not in muon_names]
    groups = [
        {"params": [value for value in rest if value.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [value for value in rest if value.ndim < 2], "weight_decay": 0.0},
    ]
    optimisers: list[Optimizer] = [AdamW(groups, lr=config.lr, betas=(config.beta1, config.beta2), fused=True)]
    if hidden:
        optimisers.append(Muon(hidden, config.muon_lr, weight_decay=config.weight_decay, dtype=muon_dtype))
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["share"] = group["lr"] / config.lr
    return optimisers


def set_rate(optimisers: list[Optimizer], rate: float) -> None:
    """Set every group's learning rate to its share of `rate`."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate * group["share"]


def step_if_finite(optimisers: list[Optimizer], finite: Tensor) -> None:
    """Step every optimiser; none changes anything if `finite` (a scalar on the device) is 0.

    The device decides, by `found_inf`, the attribute that torch's gradient scaler sets on fused
    optimisers, so the host does not wait.
    """
    for optimiser in optimisers:
        optimiser.found_inf, optimiser.grad_scale = 1 - finite, None  # type: ignore[attr-defined]
        optimiser.step()


def state_by_name(model: nn.Module, optimisers: list[Optimizer]) -> dict[str, Tensor]:
    """Return the optimiser state keyed `parameter|slot`, so that groups may change between runs."""
    state: dict[str, Tensor] = {}
    for name, value in model.named_parameters():
        for optimiser in optimisers:
            for slot, content in optimiser.state.get(value, {}).items():
                state[f"{name}|{slot}"] = torch.as_tensor(content).detach().clone().contiguous()
    return state


def load_state_by_name(model: nn.Module, optimisers: list[Optimizer], state: dict[str, Tensor]) -> None:
    """Load what `state_by_name` returned; a parameter without saved state starts with none.

    The state of a parameter that another rank steps is ignored. Raises ValueError if the model
    lacks a parameter.
    """
    slots: dict[str, dict[str, Tensor]] = {}
    for key, content in state.items():
        name, slot = key.rsplit("|", 1)
        slots.setdefault(name, {})[slot] = content
    owner = {id(p): o for o in optimisers for group in o.param_groups for p in group["params"]}
    for name, value in model.named_parameters():
        saved = slots.pop(name, {})
        if saved and id(value) in owner:
            # "step" moves to the device too: fused optimisers count their steps there.
            owner[id(value)].state[value] = {slot: content.to(value.device) for slot, content in saved.items()}
    if slots:
        raise ValueError(f"the checkpoint has parameters that the model lacks: {', '.join(sorted(slots))}")
