"""A property that a trained model is taught afterwards, while all of its own weights stay as they are.

A value becomes a code of one or a few numbers. For each of them every block of synthesis has offsets of
its modulation, which are scaled by that number and added (feature-wise modulation, arXiv 1709.07871; a
strength that is the value, as in Concept Sliders, arXiv 2311.12092). Offsets are zero at first. A
picture that does not set the property is computed as if there were no adapter, to the bit.

An adapter that follows reference pictures speaks in the same way, by a `Setting`, and in words beside it
(`models.reference`).

Shapes: B rows, R numbers of a code, L blocks of synthesis, D their width; 6 is shift, scale and gate
of attention and then of the MLP.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from majolica.config.model import ModelConfig
from majolica.models.words import Words
from majolica.properties.quantiles import spread_evenly, to_quantile
from majolica.properties.registry import find_property


class PropertyAdapter(nn.Module):
    """The offsets of one property for one model; `names` are those of a category, in the order of its table."""

    def __init__(self, name: str, config: ModelConfig, names: Sequence[str] = ()) -> None:
        super().__init__()
        entry = find_property(name)
        self.name, self.names, self.circular = name, tuple(names), entry.circular
        self.offsets = make_offsets(config, len(names) or (3 if entry.circular else 1))
        self.register_buffer("quantiles", spread_evenly(entry))
        self.quantiles: Tensor

    def forward(self, values_B: Tensor, present_B: Tensor) -> Setting:
        """What the values say in the rows in which the property is set; the others count as not set."""
        return Setting(self.encode(values_B.masked_fill(~present_B, 0.0)), self.offsets, present_B)

    def encode(self, values_B: Tensor) -> Tensor:
        """The codes of values, `(B, R)`.

        The code of a number runs from -1 for the least value in training to 1 for the greatest, along its
        quantiles. That of an angle is its cosine, its sine, and 1, because a picture that has one differs from those
        that have none. That of a name has a 1 in its place.
        """
        if self.names:
            place_B = (values_B * len(self.names)).long().clamp(0, len(self.names) - 1)
            return nn.functional.one_hot(place_B, len(self.names)).to(self.offsets.dtype)
        place_B1 = to_quantile(values_B[:, None], self.quantiles[None]).clamp(-0.25, 1.25)
        if self.circular:
            angle_B1 = 2 * math.pi * place_B1
            return torch.cat((angle_B1.cos(), angle_B1.sin(), torch.ones_like(angle_B1)), 1)
        return 2 * place_B1 - 1


def make_offsets(config: ModelConfig, codes: int) -> nn.Parameter:
    """Offsets `(L, R, 6, D)` for codes of that many numbers, which are zero."""
    return nn.Parameter(torch.zeros(config.synthesis_depth, codes, 6, config.width))


@dataclass(frozen=True)
class Setting:
    """What one adapter says in a batch: one property as it is set, or one reference picture for each row."""

    code_BR: Tensor
    offsets_LR6D: Tensor
    """Of the adapter."""
    present_B: Tensor
    """bool; rows in which it is False stay as they are, to the bit."""
    words: Words | None = None
    """Of an adapter that also speaks in words."""

    def modulate(self, block: int, modulation_B6D: Tensor) -> Tensor:
        """The modulation of a block, by its number, with the offsets of the adapter."""
        # A sum and no matrix product, whose rounding in one row could depend on how many rows there are.
        offset_B6D = (self.code_BR[:, :, None, None] * self.offsets_LR6D[block]).sum(1)
        return torch.where(self.present_B[:, None, None], modulation_B6D + offset_B6D, modulation_B6D)
