"""A property that a trained model is taught afterwards, while all of its own weights stay as they are.

A value becomes a word and a few tokens. The word stands behind the condition sequence, and is read by
the frozen keys and values as words of captions are (textual inversion, arXiv 2208.01618). The tokens
have keys and values of their own in every synthesis block, of low rank, to which the block's own
queries attend beside the sequence (decoupled cross-attention: IP-Adapter, arXiv 2308.06721). They also
shift the modulation. Gates that are zero at first scale what word and tokens say. A picture that does
not set the property is computed as if there were no adapter, to the bit.

Shapes: B rows, N image tokens, D their width, T tokens of a value, R their rank, H heads, E width of
a head, F frequencies, K quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from majolica.config.run import ModelConfig
from majolica.models.conditions import FEATURES, property_frequencies
from majolica.models.layers import CrossAttention, attend, fourier
from majolica.properties.quantiles import spread_evenly, to_quantile
from majolica.properties.registry import find_property

Heard = tuple[Tensor, Tensor]
"""The condition sequence `(B, S, C)` and its mask `(B, S)`."""
TOKENS = 4
"""Tokens of a value; an image token may also attend to none of them."""
HIDDEN = 32
"""Width of the hidden layer of the encoder."""


class PropertyAdapter(nn.Module):
    """The encoder, the keys and values, and the gates of one property for one model."""

    def __init__(self, name: str, config: ModelConfig, rank: int = 8) -> None:
        super().__init__()
        self.name, self.rank = name, rank
        entry = find_property(name)
        self.encode = nn.Sequential(nn.Linear(2 * FEATURES, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, TOKENS * rank))
        self.keys_values = nn.ModuleList(
            nn.Linear(rank, 2 * config.width, bias=False) for _ in range(config.synthesis_depth)
        )
        self.gates = nn.Parameter(torch.zeros(2, config.synthesis_depth, config.width))
        self.word = nn.Linear(TOKENS * rank, config.text.width)
        self.shift = nn.Linear(TOKENS * rank, config.width, bias=False)
        nn.init.zeros_(self.shift.weight)
        self.register_buffer("quantiles", spread_evenly(entry))
        self.register_buffer("frequency", property_frequencies(entry.circular), persistent=False)
        self.quantiles: Tensor
        self.frequency: Tensor

    def forward(self, values_B: Tensor, present_B: Tensor) -> Setting:
        """Encode the values of the rows in which the property is set; the others count as not set."""
        values_B1 = values_B.masked_fill(~present_B, 0.0)[:, None]
        unit_B1 = to_quantile(values_B1, self.quantiles[None]).clamp(-0.25, 1.25)
        code_BC = self.encode(fourier(unit_B1, self.frequency))
        return Setting(self, code_BC.unflatten(1, (TOKENS, -1)), self.word(code_BC), present_B)


@dataclass(frozen=True)
class Setting:
    """One property as it is set in a batch."""

    adapter: PropertyAdapter
    tokens_BTR: Tensor
    word_BC: Tensor
    present_B: Tensor
    """bool; rows in which it is False stay as they are, to the bit."""

    def shift_time(self, time_BD: Tensor) -> Tensor:
        """The vector that modulates synthesis, `(B, D)`, with the property's shift."""
        shifted_BD = time_BD + self.adapter.shift(self.tokens_BTR.flatten(1))
        return torch.where(self.present_B[:, None], shifted_BD, time_BD)

    def add(
        self, block: int, cross: CrossAttention, normed_BND: Tensor, heard_BND: Tensor, condition: Heard, x_BND: Tensor
    ) -> Tensor:
        """`x_BND` with what word and tokens say to a block, by its number.

        `normed_BND` is what its queries are made of, and `heard_BND` what its cross-attention hears from
        the sequence and mask of `condition`.
        """
        with_word_BND = cross(normed_BND, torch.cat((condition[0], self.word_BC[:, None]), 1), self._see(condition[1]))
        by_word, by_tokens = self.adapter.gates[:, block]
        said_BND = (with_word_BND - heard_BND) * by_word + self._attend(block, cross, normed_BND) * by_tokens
        return torch.where(self.present_B[:, None, None], x_BND + said_BND.to(x_BND.dtype), x_BND)

    def _see(self, mask_BS: Tensor) -> Tensor:
        """The mask of the sequence with the word behind it."""
        return torch.cat((mask_BS, mask_BS.new_ones(len(mask_BS), 1)), 1)

    def _attend(self, block: int, cross: CrossAttention, normed_BND: Tensor) -> Tensor:
        """What image tokens hear from the tokens of the value, `(B, N, D)`."""
        batch, tokens, width = normed_BND.shape
        keys, values = (
            self.adapter.keys_values[block](self.tokens_BTR)
            .view(batch, TOKENS, 2, cross.heads, width // cross.heads)
            .permute(2, 0, 3, 1, 4)
            .unbind(0)
        )
        # A token of zeros, so that an image token need not attend to any of the others.
        nothing = torch.zeros_like(keys[:, :, :1])
        keys, values = torch.cat((nothing, keys), 2), torch.cat((nothing, values), 2)
        query = cross.norm_q(cross.q(normed_BND).view(batch, tokens, cross.heads, width // cross.heads).transpose(1, 2))
        mixed_BHNE = attend(query, keys, values, None, cross.by_products)
        return mixed_BHNE.transpose(1, 2).reshape(batch, tokens, width)
