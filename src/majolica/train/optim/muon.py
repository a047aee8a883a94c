"""Muon: orthogonalised momentum, for the matrices of transformer blocks.

Jordan et al. 2024; arXiv 2502.16982.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Quintic coefficients that take singular values in (0, 1] to about 1 in five steps."""


class Muon(Optimizer):
    """Muon over matrices; those of equal shape are updated together.

    A matrix of r rows and c columns moves by `lr * max(1, r / c) ** 0.5` times the orthogonal
    factor of its Nesterov momentum; weight decay is decoupled. The Newton-Schulz iteration is
    computed in `dtype`. torch's own Muon computes it in bfloat16 only, one matrix at a time
    (docs/adr/021).
    """

    found_inf: Tensor | None = None
    """Scalar; above 0 if this step must change nothing, as in torch's fused optimisers."""

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every matrix that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for value in group["params"]:
                if value.grad is not None:
                    by_shape[value.shape].append(value)
            for shape, values in by_shape.items():
                self._step_together(values, shape, group)

    def _step_together(self, values: list[Tensor], shape: torch.Size, group: dict[str, Any]) -> None:
        gradients = [value.grad for value in values if value.grad is not None]
        for value in values:
            if "momentum" not in self.state[value]:
                self.state[value]["momentum"] = torch.zeros_like(value)
        buffers = [self.state[value]["momentum"] for value in values]
        if self.found_inf is None:
            finite = torch.ones((), device=values[0].device)
        else:  # decided on the device: a read by the host would make it wait
            finite = (self.found_inf <= 0).to(values[0].dtype)
            gradients = list(torch.where(finite > 0, torch.stack(gradients), 0).unbind())
        torch._foreach_lerp_(buffers, gradients, [(1 - group["momentum"]) * finite] * len(buffers))
        nesterov = torch._foreach_lerp(gradients, buffers, group["momentum"])
        updates = orthogonalise(torch.stack(list(nesterov)), self.dtype) * finite
        torch._foreach_mul_(values, 1 - group["lr"] * group["weight_decay"] * finite)
        scale = max(1.0, shape[0] / shape[1]) ** 0.5
        torch._foreach_add_(values, list(updates.unbind()), alpha=-group["lr"] * scale)


def orthogonalise(x_KRC: Tensor, dtype: torch.dtype, steps: int = 5) -> Tensor:
    """Approximate the nearest semi-orthogonal matrices by Newton-Schulz iteration.

    Singular values end in about [0.7, 1.2]. Computed in `dtype`; the result has the dtype and the
    shape of `x_KRC`: K matrices of R rows and C columns.
    """
    a, b, c = NEWTON_SCHULZ
    tall = x_KRC.shape[1] > x_KRC.shape[2]
    x = x_KRC.mT if tall else x_KRC
    x = x.to(dtype)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(x_KRC.dtype)
