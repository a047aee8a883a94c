"""Words of an adapter behind the condition sequence, which the frozen cross-attention reads as those of captions.

What it says differently with them is added, times gates that are zero at first (a picture as words beside
the caption: IP-Adapter, arXiv 2308.06721). Rows that have none stay as they are, to the bit.

Shapes: B rows, N image tokens, D their width, W words, C their width, L blocks of synthesis, S tokens of
the condition sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from majolica.models.layers import CrossAttention

Heard = tuple[Tensor, Tensor]
"""The condition sequence `(B, S, C)` and its mask `(B, S)`."""


@dataclass(frozen=True)
class Words:
    """What one adapter says in words in a batch."""

    words_BWC: Tensor
    gates_LD: Tensor
    """Of the adapter."""
    present_B: Tensor
    """bool; rows in which it is False have no words."""

    def add(
        self, block: int, cross: CrossAttention, normed_BND: Tensor, heard_BND: Tensor, condition: Heard, x_BND: Tensor
    ) -> Tensor:
        """`x_BND` with what the words say to a block, by its number.

        `normed_BND` is what its queries are made of, and `heard_BND` what its cross-attention hears without them.
        """
        sequence_BSC, mask_BS = condition
        longer_BS = torch.cat((mask_BS, mask_BS.new_ones(self.words_BWC.shape[:2])), 1)
        with_words_BND = cross(normed_BND, torch.cat((sequence_BSC, self.words_BWC), 1), longer_BS)
        said_BND = (with_words_BND - heard_BND) * self.gates_LD[block]
        return torch.where(self.present_B[:, None, None], x_BND + said_BND.to(x_BND.dtype), x_BND)


def add_words(
    words: Sequence[Words],
    block: int,
    condition: Heard,
    cross: CrossAttention,
    normed_BND: Tensor,
    heard_BND: Tensor,
    x_BND: Tensor,
) -> Tensor:
    """The tokens with what the words of every adapter say to a block."""
    for each in words:
        x_BND = each.add(block, cross, normed_BND, heard_BND, condition, x_BND)
    return x_BND
