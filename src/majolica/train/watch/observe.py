"""Diagnoses logged steps: gradient and update norms by part, agreement of the two losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.models.parts import Structured, parameters_by_part

_ENTRIES = 1 << 14
"""Entries of each tensor that are sampled to estimate its update.

A copy of all weights may not fit into memory.
"""


class StepObserver:
    """Collects the diagnostics of one optimiser step, without reading from the device."""

    def __init__(self, model: Structured) -> None:
        self.parts = parameters_by_part(model)
        self.values: dict[str, Tensor] = {}
        self._before: dict[str, Tensor] = {}

    def watch(self, tokens_BND: Tensor, noisy: int) -> None:
        """Compute the agreement of the losses when the backward pass reaches these tokens.

        `tokens_BND` are the outputs of the perception trunk; the first `noisy` rows are noisy.
        """
        detached_BND = tokens_BND.detach()

        def compute_agreement(gradient_BND: Tensor) -> None:
            self.values["agreement"] = agreement(detached_BND, gradient_BND, noisy)

        if tokens_BND.requires_grad:
            tokens_BND.register_hook(compute_agreement)  # type: ignore[no-untyped-call]

    def before_update(self) -> None:
        """Record gradient norms and weights, once the gradients of all micro-steps are summed."""
        for part, values in self.parts.items():
            gradients = [value.grad for value in values if value.grad is not None]
            # The norm of no gradients would lie on the CPU.
            norm = torch.nn.utils.get_total_norm(gradients) if gradients else values[0].new_zeros(())
            self.values[f"gradient/{part}"] = norm
        self._before = sample_entries(self.parts)

    def after_update(self) -> dict[str, Tensor]:
        """Return all diagnostics; `update/PART` is ||change|| / ||weights||."""
        for part, after in sample_entries(self.parts).items():
            before = self._before[part]
            self.values[f"update/{part}"] = (after - before).norm() / before.norm().clamp(min=1e-12)
        return self.values


def sample_entries(parts: Mapping[str, Sequence[Tensor]]) -> dict[str, Tensor]:
    """Sample up to _ENTRIES evenly spaced entries of each tensor.

    Returns one float32 vector for each part.
    """

    def sample(value: Tensor) -> Tensor:
        flat = value.detach().flatten()
        return flat[:: max(1, -(-len(flat) // _ENTRIES))].float()  # what belongs to properties may be empty

    return {part: torch.cat([sample(value) for value in values]) for part, values in parts.items()}


def agreement(tokens_BND: Tensor, gradient_BND: Tensor, noisy: int) -> Tensor:
    """Return the cosine between the gradients of the two losses at the end of the perception trunk.

    The flow-matching loss reaches the noisy rows only and the contrastive loss the clean ones, so
    one backward pass gives both gradients. The gradients that are compared are those with respect
    to a linear map D -> D applied to the tokens: the sum over rows and tokens of gradient x token.
    The result is NaN if either kind of row is missing.
    """

    def map_gradient(rows: slice) -> Tensor:
        gradient_KD, token_KD = (x[rows].float().flatten(0, 1) for x in (gradient_BND, tokens_BND))
        return (gradient_KD.T @ token_KD).flatten()

    flow, contrastive = map_gradient(slice(noisy)), map_gradient(slice(noisy, None))
    cosine = F.cosine_similarity(flow, contrastive, dim=0, eps=1e-30)
    return torch.where((flow.norm() > 0) & (contrastive.norm() > 0), cosine, torch.nan)
