"""Values as offsets of the modulation: the code of a value, and what a code does to the blocks of synthesis.

A value becomes a code of one or a few numbers. For each of them every block has offsets of its modulation,
which are multiplied by that number and added (feature-wise modulation, arXiv 1709.07871; a strength that is
the value, as in Concept Sliders, arXiv 2311.12092). docs/adr/067 and 073 say what was measured.

Shapes: B rows, R numbers of a code, L blocks of synthesis, D their width; 6 is shift, scale and gate of
attention and then of the MLP.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from majolica.config.model import ModelConfig
from majolica.models.words import Words
from majolica.properties.categories import MOST
from majolica.properties.property import Property


def count_codes(entry: Property, names: int = MOST) -> int:
    """R for a property; a category has so many names at most."""
    if entry.is_category:
        return names
    return 3 if entry.circular else 1


def encode_place(place_B: Tensor, entry: Property, names: int = 0) -> Tensor:
    """The codes `(B, R)` of values by their place among those of training, which runs from 0 to 1.

    The code of a number runs from -1 to 1. That of an angle is its cosine, its sine, and 1, because a picture
    that has one differs from those that have none. That of one of the `names` of a category has a 1 in its place.
    """
    if entry.is_category:
        return one_hot((place_B * names).long().clamp(0, names - 1), names).to(place_B.dtype)
    if entry.circular:
        angle_B = 2 * math.pi * place_B
        return torch.stack((angle_B.cos(), angle_B.sin(), torch.ones_like(angle_B)), 1)
    return 2 * place_B[:, None] - 1


def offsets_shape(config: ModelConfig, codes: int) -> tuple[int, int, int, int]:
    """R, L, 6 and D, the shape of the offsets for codes of that many numbers."""
    return codes, config.synthesis_depth, 6, config.width


@dataclass(frozen=True)
class Setting:
    """What values or a reference picture say to the blocks of synthesis in a batch."""

    offset_BL6D: Tensor
    present_B: Tensor
    """bool; rows in which it is False stay as they are, to the bit."""
    words: Words | None = None
    """Of an adapter that also speaks in words."""

    def modulate(self, block: int, modulation_B6D: Tensor) -> Tensor:
        """The modulation of a block, by its number, with its offsets."""
        with_offset_B6D = modulation_B6D + self.offset_BL6D[:, block]
        return torch.where(self.present_B[:, None, None], with_offset_B6D, modulation_B6D)


def make_setting(code_BR: Tensor, offsets_RL6D: Tensor, present_B: Tensor, words: Words | None = None) -> Setting:
    """The offsets times their codes, added one after the other: a code of 0 then changes no bit, whatever R is."""
    offset_BL6D = code_BR.new_zeros(len(code_BR), *offsets_RL6D.shape[1:])
    for code_B, offsets_L6D in zip(code_BR.unbind(1), offsets_RL6D, strict=True):
        offset_BL6D = torch.addcmul(offset_BL6D, code_B[:, None, None, None], offsets_L6D)
    return Setting(offset_BL6D, present_B, words)
