"""The condition sequence: a learned sink, the caption's tokens, one token for each property.

Shapes: B rows, L pieces of a caption, P properties, K slots for their tokens, S = 1 + L + K tokens
of the sequence, C width of the text tower.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from majolica.models.layers import fourier

HIGHEST_FREQUENCY = 16 * math.pi
"""Of the Fourier features of a property's value, scaled so that its range has length 1."""
SLOTS = 8
"""Property tokens are padded to a multiple of this.

A property that is hidden and one that the model does not have then leave a sequence of one shape.
"""


@dataclass(frozen=True)
class Condition:
    """What each row is to show. The caption and any of the properties may be absent."""

    tokens_BL: Tensor
    """Ids of SentencePiece pieces, int64; 0 is padding."""
    has_text_B: Tensor
    """bool; False hides the caption."""
    values_BP: Tensor
    """Properties in their own units, in the order of `ModelConfig.properties`."""
    has_value_BP: Tensor
    """bool; False hides the property."""

    def __getitem__(self, rows: slice) -> Condition:
        return Condition(self.tokens_BL[rows], self.has_text_B[rows], self.values_BP[rows], self.has_value_BP[rows])


class ConditionEncoder(nn.Module):
    """Encodes property values as tokens, and builds the sequence that cross-attention reads."""

    def __init__(self, names: tuple[str, ...], width: int, features: int = 16) -> None:
        super().__init__()
        self.names = names
        self.sink = nn.Parameter(torch.empty(1, 1, width))
        self.kind = nn.Parameter(torch.empty(len(names), width))
        self.encode = nn.Sequential(nn.Linear(2 * features, width), nn.SiLU(), nn.Linear(width, width))
        self.register_buffer("low", torch.empty(len(names)), persistent=False)
        self.register_buffer("span", torch.empty(len(names)), persistent=False)
        self.register_buffer("frequency", torch.empty(features), persistent=False)
        self.low: Tensor
        self.span: Tensor
        self.frequency: Tensor

    def forward(self, states_BLC: Tensor, mask_BL: Tensor, condition: Condition) -> tuple[Tensor, Tensor]:
        """The sequence `(B, S, C)` and its mask `(B, S)`: what is absent is hidden, the sink never is."""
        batch, properties = condition.values_BP.shape
        unit_BP = ((condition.values_BP - self.low) / self.span).clamp(-0.25, 1.25)
        unit_BP = unit_BP.masked_fill(~condition.has_value_BP, 0.0)  # so that a NaN cannot leak
        # Free slots are encoded too, and then hidden: how the rows of a product are rounded may
        # depend on their number.
        spare = -properties % SLOTS
        slots_BK1 = F.pad(unit_BP, (0, spare))[..., None]
        property_BKC = self.encode(fourier(slots_BK1, self.frequency)) + F.pad(self.kind, (0, 0, 0, spare))
        sequence_BSC = torch.cat((self.sink.expand(batch, -1, -1), states_BLC, property_BKC), 1)
        mask_BS = torch.cat(
            (
                mask_BL.new_ones(batch, 1),
                mask_BL & condition.has_text_B[:, None],
                condition.has_value_BP,
                mask_BL.new_zeros(batch, spare),
            ),
            1,
        )
        return sequence_BSC, mask_BS
