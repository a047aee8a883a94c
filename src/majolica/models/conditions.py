"""The condition sequence: a learned sink, the caption's tokens, one token for each property.

Shapes: B rows, L pieces of a caption, P properties, K slots for their tokens, S = 1 + L + K tokens
of the sequence, C width of the text tower.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from majolica.config.model import ModelConfig
from majolica.models.layers import fourier, fourier_frequencies
from majolica.models.offsets import Setting, count_codes, encode_place, make_setting, offsets_shape
from majolica.properties.categories import NameTable
from majolica.properties.quantiles import KNOTS, to_quantile
from majolica.properties.registry import find_property

FEATURES = 16
"""Frequencies of the Fourier features of a property's value."""
HIGHEST_FREQUENCY = 16 * math.pi
"""The highest, for values that are scaled so that their range has length 1."""
OFFSET_SCALE = 2.0
"""Factor of the offsets, which lets them learn as many times faster than other weights."""
SLOTS = 8
"""Property tokens are padded to a multiple of this.

A property that is hidden and one that the model does not have then leave a sequence of one shape.
"""


def property_frequencies(circular: bool) -> Tensor:
    """Angular frequencies `(FEATURES,)` of a property's features: whole multiples of the circle for a circular one."""
    if circular:
        return 2 * math.pi * torch.arange(1, FEATURES + 1)
    return fourier_frequencies(FEATURES, HIGHEST_FREQUENCY)


@dataclass(frozen=True)
class Reference:
    """Reference pictures of rows, which an adapter follows (`models.reference`)."""

    features_BF: Tensor
    """What `Majolica.summarise` says of each picture, float32."""
    present_B: Tensor
    """bool; False hides the picture."""

    def __getitem__(self, rows: slice) -> Reference:
        return Reference(self.features_BF[rows], self.present_B[rows])

    def hide(self) -> Reference:
        """The same, hidden in all rows."""
        return Reference(self.features_BF, torch.zeros_like(self.present_B))


@dataclass(frozen=True)
class Condition:
    """What each row is to show. The caption, any of the properties and the reference picture may be absent."""

    tokens_BL: Tensor
    """Ids of SentencePiece pieces, int64; 0 is padding."""
    has_text_B: Tensor
    """bool; False hides the caption."""
    values_BP: Tensor
    """Properties in their own units, in the order of `ModelConfig.properties`; then those of adapters."""
    has_value_BP: Tensor
    """bool; False hides the property."""
    reference: Reference | None = None
    """None where no row has a reference picture, and always for a model without an adapter that follows them."""
    noise_BP: Tensor | None = None
    """What is added in training to the places of the model's own properties among their quantiles; None for nothing."""

    def __getitem__(self, rows: slice) -> Condition:
        return Condition(
            self.tokens_BL[rows],
            self.has_text_B[rows],
            self.values_BP[rows],
            self.has_value_BP[rows],
            self.reference and self.reference[rows],
            None if self.noise_BP is None else self.noise_BP[rows],
        )


def concatenate(conditions: Sequence[Condition]) -> Condition:
    """The rows of all conditions, one after the other, without noise; all of them, or none, have a `reference`."""
    references = [each.reference for each in conditions if each.reference]
    return Condition(
        torch.cat([each.tokens_BL for each in conditions]),
        torch.cat([each.has_text_B for each in conditions]),
        torch.cat([each.values_BP for each in conditions]),
        torch.cat([each.has_value_BP for each in conditions]),
        _concatenate_references(references, len(conditions)) if references else None,
    )


def _concatenate_references(references: Sequence[Reference], count: int) -> Reference:
    if len(references) != count:
        raise ValueError(f"{len(references)} of {count} conditions have a reference")
    features_BF = torch.cat([each.features_BF for each in references])
    return Reference(features_BF, torch.cat([each.present_B for each in references]))


class ConditionEncoder(nn.Module):
    """Encodes property values as tokens, and builds the sequence that cross-attention reads.

    Values enter by their quantile among the training pictures, so that the model tells common values
    apart as finely as they lie; and a circular one, such as a hue, by the sines and cosines of its
    angle, so that both ends of its range are one.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        names, width = config.properties, config.text.width
        self.names, self.entry = names, config.property_entry
        self.entries = [find_property(name) for name in names]
        slots = len(names) + -len(names) % SLOTS
        self.sink = nn.Parameter(torch.empty(1, 1, width))
        self.kind = nn.Parameter(torch.empty(len(names), width))
        self.encode = nn.Sequential(nn.Linear(2 * FEATURES, width), nn.SiLU(), nn.Linear(width, width))
        codes = sum(map(count_codes, self.entries)) if self.entry != "tokens" else 0
        self.offsets = nn.Parameter(torch.empty(offsets_shape(config, codes))) if codes else None
        self.register_buffer("quantiles", torch.empty(len(names), KNOTS), persistent=False)
        self.register_buffer("frequency", torch.empty(slots, FEATURES), persistent=False)
        self.quantiles: Tensor
        self.frequency: Tensor
        self.categories: Mapping[str, NameTable] = {}
        """The names of the categories among the properties. Those who make conditions need them, as they need units."""

    def forward(
        self, states_BLC: Tensor, mask_BL: Tensor, pooled_BC: Tensor, condition: Condition
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The sequence `(B, S, C)`, its mask `(B, S)`, and what modulates synthesis beside the flow time, `(B, C)`.

        What is absent is hidden; the sink never is.
        """
        own = len(self.names)
        has_BP = condition.has_value_BP[:, :own]
        property_BKC = self._encode(self.compute_places(condition))
        present_BK = F.pad(has_BP, (0, property_BKC.shape[1] - own))
        pooled_BC = pooled_BC * condition.has_text_B[:, None]
        seen_BK = torch.zeros_like(present_BK) if self.entry == "modulation" else present_BK
        sequence_BSC = torch.cat((self.sink.expand(len(states_BLC), -1, -1), states_BLC, property_BKC), 1)
        text_BL = mask_BL & condition.has_text_B[:, None]
        mask_BS = torch.cat((mask_BL.new_ones(len(mask_BL), 1), text_BL, seen_BK), 1)
        return sequence_BSC, mask_BS, pooled_BC

    def make_settings(self, condition: Condition) -> list[Setting]:
        """The offsets of the modulation that properties ask for, one setting; none if they enter as tokens alone."""
        if self.offsets is None:
            return []
        has_BP = condition.has_value_BP[:, : len(self.names)]
        codes = []
        for name, entry, place_B, has_B in zip(
            self.names, self.entries, self.compute_places(condition).unbind(1), has_BP.unbind(1), strict=True
        ):
            names = len(self.categories[name].names) if entry.is_category and name in self.categories else 0
            code_BR = encode_place(place_B, entry, max(1, names))
            codes.append(F.pad(code_BR, (0, count_codes(entry) - code_BR.shape[1])) * has_B[:, None])
        return [make_setting(torch.cat(codes, 1), OFFSET_SCALE * self.offsets, has_BP.any(1))]

    def compute_places(self, condition: Condition) -> Tensor:
        """The places that the model is told, `(B, P)`: those of the values among the quantiles, with the noise.

        Noise moves a circular property around the circle. What is hidden has the place 0.
        """
        own = len(self.names)
        has_BP = condition.has_value_BP[:, :own]
        values_BP = condition.values_BP[:, :own].masked_fill(~has_BP, 0.0)  # so that a NaN cannot leak
        place_BP = to_quantile(values_BP, self.quantiles)
        if condition.noise_BP is not None:
            moved_BP = place_BP + condition.noise_BP
            columns = zip(moved_BP.unbind(1), self.entries, strict=True)
            place_BP = torch.stack([place_B % 1 if entry.circular else place_B for place_B, entry in columns], 1)
        return place_BP.clamp(-0.25, 1.25).masked_fill(~has_BP, 0.0)

    def _encode(self, unit_BP: Tensor) -> Tensor:
        """A token for each property and each free slot, `(B, K, C)`."""
        # Free slots are encoded too, and then hidden: how the rows of a product are rounded may
        # depend on their number.
        spare = -len(self.names) % SLOTS
        slots_BK1 = F.pad(unit_BP, (0, spare))[..., None]
        tokens_BKC: Tensor = self.encode(fourier(slots_BK1, self.frequency)) + F.pad(self.kind, (0, 0, 0, spare))
        return tokens_BKC
