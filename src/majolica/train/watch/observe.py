"""What is looked at closely in steps that are logged: gradients and updates by part, agreement of the two losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.models.parts import Structured, parameters_by_part

_ENTRIES = 1 << 14
"""Entries of each tensor, evenly spaced, by which its update is judged: a copy of the weights would not fit."""


class Closely:
    """One optimiser step under observation. Nothing is read from the device here."""

    def __init__(self, model: Structured) -> None:
        self.parts = parameters_by_part(model)
        self.found: dict[str, Tensor] = {}
        self._before: dict[str, Tensor] = {}

    def watch(self, tokens_BND: Tensor, noisy: int) -> None:
        """Note, when the backward pass comes by, how far the losses agree at the end of the perception trunk."""
        kept_BND = tokens_BND.detach()

        def note(gradient_BND: Tensor) -> None:
            self.found["agreement"] = agreement(kept_BND, gradient_BND, noisy)

        if tokens_BND.requires_grad:
            tokens_BND.register_hook(note)  # type: ignore[no-untyped-call]

    def before_update(self) -> None:
        """Gradients are whole: note their norms, and where the weights are."""
        for part, values in self.parts.items():
            gradients = [value.grad for value in values if value.grad is not None]
            self.found[f"gradient/{part}"] = torch.nn.utils.get_total_norm(gradients)
        self._before = sample_entries(self.parts)

    def after_update(self) -> dict[str, Tensor]:
        """Everything that was noted; `update/PART` is ||change|| / ||weights||."""
        for part, after in sample_entries(self.parts).items():
            before = self._before[part]
            self.found[f"update/{part}"] = (after - before).norm() / before.norm().clamp(min=1e-12)
        return self.found


def sample_entries(parts: Mapping[str, Sequence[Tensor]]) -> dict[str, Tensor]:
    """Up to _ENTRIES evenly spaced entries of each tensor, one vector a part."""

    def some(value: Tensor) -> Tensor:
        flat = value.detach().flatten()
        return flat[:: -(-len(flat) // _ENTRIES)].float()

    return {part: torch.cat([some(value) for value in values]) for part, values in parts.items()}


def agreement(tokens_BND: Tensor, gradient_BND: Tensor, noisy: int) -> Tensor:
    """Cosine between the two losses' gradients at the end of the perception trunk.

    Flow matching reaches the noisy rows alone and the contrastive loss the clean ones, so the two are told apart by
    row. Compared is what each would do to one linear map D -> D behind the trunk, sum over rows and tokens of
    gradient x token: a shared parameter, without a second backward pass. NaN where a kind of row is missing.
    """

    def pull(rows: slice) -> Tensor:
        gradient_KD, token_KD = (x[rows].float().flatten(0, 1) for x in (gradient_BND, tokens_BND))
        return (gradient_KD.T @ token_KD).flatten()

    flow, contrastive = pull(slice(noisy)), pull(slice(noisy, None))
    cosine = F.cosine_similarity(flow, contrastive, dim=0, eps=1e-30)
    return torch.where((flow.norm() > 0) & (contrastive.norm() > 0), cosine, torch.nan)
