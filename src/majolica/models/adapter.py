"""A property that a trained model is taught afterwards, while all of its own weights stay as they are.

A value becomes a word and a few tokens. The word stands behind the condition sequence, and is read by
the frozen keys and values as words of captions are (textual inversion, arXiv 2208.01618). The tokens
have keys and values of their own in every synthesis block, of low rank, to which the block's own
queries attend beside the sequence (decoupled cross-attention: IP-Adapter, arXiv 2308.06721). They also
shift the modulation. Gates that are zero at first scale what word and tokens say. A picture that does
not set the property is computed as if there were no adapter, to the bit.

How an adapter says what it says, a `Setting`, is the same for one that follows reference pictures
(`models.reference`).

Shapes: B rows, N image tokens, D their width, T tokens of a value, R their rank, W words, C their
width, H heads, E width of a head, L blocks of synthesis, F frequencies, K quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from majolica.config.model import ModelConfig
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
        self.keys_values = make_keys_values(config, rank)
        self.gates = make_gates(config)
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
        tokens_BTR, words_B1C = code_BC.unflatten(1, (TOKENS, -1)), self.word(code_BC)[:, None]
        shift_BD = self.shift(tokens_BTR.flatten(1))
        return Setting(self.keys_values, self.gates, tokens_BTR, words_B1C, shift_BD, present_B)


def make_keys_values(config: ModelConfig, rank: int) -> nn.ModuleList:
    """Projections of tokens of that rank to keys and values, one for each block of synthesis."""
    return nn.ModuleList(nn.Linear(rank, 2 * config.width, bias=False) for _ in range(config.synthesis_depth))


def make_gates(config: ModelConfig) -> nn.Parameter:
    """Gates of words and of tokens for each block of synthesis, `(2, L, D)`, closed."""
    return nn.Parameter(torch.zeros(2, config.synthesis_depth, config.width))


@dataclass(frozen=True)
class Setting:
    """What one adapter says in a batch: one property as it is set, or one reference picture for each row."""

    keys_values: nn.ModuleList
    """Of the adapter, one for each block."""
    gates_2LD: Tensor
    """Of the adapter: of words, and of tokens."""
    tokens_BTR: Tensor
    words_BWC: Tensor
    shift_BD: Tensor
    """What is added to the vector that modulates synthesis."""
    present_B: Tensor
    """bool; rows in which it is False stay as they are, to the bit."""

    def shift_time(self, time_BD: Tensor) -> Tensor:
        """The vector that modulates synthesis, `(B, D)`, with the adapter's shift."""
        return torch.where(self.present_B[:, None], time_BD + self.shift_BD, time_BD)

    def add(
        self, block: int, cross: CrossAttention, normed_BND: Tensor, heard_BND: Tensor, condition: Heard, x_BND: Tensor
    ) -> Tensor:
        """`x_BND` with what words and tokens say to a block, by its number.

        `normed_BND` is what its queries are made of, and `heard_BND` what its cross-attention hears from
        the sequence and mask of `condition`.
        """
        with_words_BND = cross(normed_BND, torch.cat((condition[0], self.words_BWC), 1), self._see(condition[1]))
        by_words, by_tokens = self.gates_2LD[:, block]
        said_BND = (with_words_BND - heard_BND) * by_words + self._attend(block, cross, normed_BND) * by_tokens
        return torch.where(self.present_B[:, None, None], x_BND + said_BND.to(x_BND.dtype), x_BND)

    def _see(self, mask_BS: Tensor) -> Tensor:
        """The mask of the sequence with the words behind it."""
        return torch.cat((mask_BS, mask_BS.new_ones(self.words_BWC.shape[:2])), 1)

    def _attend(self, block: int, cross: CrossAttention, normed_BND: Tensor) -> Tensor:
        """What image tokens hear from the adapter's tokens, `(B, N, D)`."""
        batch, tokens, width = normed_BND.shape
        keys, values = (
            self.keys_values[block](self.tokens_BTR)
            .view(batch, self.tokens_BTR.shape[1], 2, cross.heads, width // cross.heads)
            .permute(2, 0, 3, 1, 4)
            .unbind(0)
        )
        # A token of zeros, so that an image token need not attend to any of the others.
        nothing = torch.zeros_like(keys[:, :, :1])
        keys, values = torch.cat((nothing, keys), 2), torch.cat((nothing, values), 2)
        query = cross.norm_q(cross.q(normed_BND).view(batch, tokens, cross.heads, width // cross.heads).transpose(1, 2))
        mixed_BHNE = attend(query, keys, values, None, cross.by_products)
        return mixed_BHNE.transpose(1, 2).reshape(batch, tokens, width)
