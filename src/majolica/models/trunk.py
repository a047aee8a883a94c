"""The two halves of the trunk: perception (text-free) and synthesis (attends to the condition).

Shapes: B rows, N tokens (registers first), D their width, F rotary frequencies, C width of the text
tower, H and W pixels, 3 colours; 6 is shift, scale and gate of attention and then of the MLP.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from majolica.config.model import ModelConfig
from majolica.models.layers import AttentionPool, CrossAttention, Norm, SelfAttention, SwiGLU, TimeEmbedding
from majolica.models.offsets import Setting
from majolica.models.patches import patchify
from majolica.models.words import add_words


class Modulation(nn.Module):
    """The adaLN projection that all blocks of a half share: `(B, D) -> (B, 6, D)`.

    Each block adds offsets of its own (adaLN-single of PixArt-alpha, arXiv 2310.00426).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, 6 * width)

    def forward(self, vector_BD: Tensor) -> Tensor:
        out: Tensor = self.project(F.silu(vector_BD)).unflatten(1, (6, -1))
        return out


def modulate(x_BND: Tensor, shift_BD: Tensor, scale_BD: Tensor) -> Tensor:
    """adaLN's (1 + scale) x + shift, `(B, N, D)`."""
    return torch.addcmul(shift_BD[:, None], x_BND, 1 + scale_BD[:, None])


GATES = (2, 5)
"""Places of the two gates among the six vectors of a block's modulation."""


class Block(nn.Module):
    """Pre-norm block: self-attention, cross-attention if there is a condition, and SwiGLU.

    Self-attention and SwiGLU are modulated by adaLN. `condition` is the sequence `(B, L, C)` and
    its mask `(B, L)`. `listen` is called with the cross-attention, its input, its output and the
    tokens after it, and returns these tokens with what adapters add to them.
    """

    def __init__(self, width: int, heads: int, width_condition: int = 0) -> None:
        super().__init__()
        self.norm = Norm(width, gain=False)
        self.offset = nn.Parameter(torch.empty(6, width))
        self.attention = SelfAttention(width, heads)
        self.cross = CrossAttention(width, heads, width_condition) if width_condition else None
        self.norm_cross = Norm(width) if width_condition else None
        self.mlp = SwiGLU(width)

    def forward(
        self,
        x_BND: Tensor,
        modulation_B6D: Tensor,
        rope_NF: Tensor,
        condition: tuple[Tensor, Tensor] | None = None,
        listen: Callable[[CrossAttention, Tensor, Tensor, Tensor], Tensor] | None = None,
    ) -> Tensor:
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = (modulation_B6D + self.offset).unbind(1)
        mixed = self.attention(modulate(self.norm(x_BND), shift_a, scale_a), rope_NF)
        x_BND = torch.addcmul(x_BND, mixed, gate_a[:, None])
        if self.cross is not None and self.norm_cross is not None and condition is not None:
            normed_BND = self.norm_cross(x_BND)
            heard_BND = self.cross(normed_BND, *condition)
            x_BND = x_BND + heard_BND
            if listen is not None:
                x_BND = listen(self.cross, normed_BND, heard_BND, x_BND)
        mixed = self.mlp(modulate(self.norm(x_BND), shift_m, scale_m))
        return torch.addcmul(x_BND, mixed, gate_m[:, None])


POSITION_FEATURES = 16


def positions(grid: tuple[int, int], device: torch.device) -> Tensor:
    """Fourier features `(h * w, POSITION_FEATURES)` of the normalised centres of the tokens."""
    frequency = torch.pi / 2 * 2.0 ** torch.arange(POSITION_FEATURES // 4, device=device)

    def features(cells: int) -> Tensor:
        angle = ((torch.arange(cells, device=device) + 0.5) / cells)[:, None] * frequency
        return 2 * torch.cat((angle.sin(), angle.cos()), 1)

    height, width = grid
    rows = features(height)[:, None].expand(-1, width, -1)
    columns = features(width)[None].expand(height, -1, -1)
    return torch.cat((rows, columns), -1).flatten(0, 1)


class Perception(nn.Module):
    """Lower half: noisy or clean pixels at the base resolution to tokens, without any text."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.patch, self.registers = config.patch, config.registers
        self.squeeze = nn.Linear(3 * config.patch**2, config.bottleneck, bias=False)
        self.expand = nn.Linear(config.bottleneck, config.width)
        self.position = nn.Linear(POSITION_FEATURES, config.width, bias=False)
        self.register_tokens = nn.Parameter(torch.empty(config.registers, config.width))
        self.time = TimeEmbedding(config.width)
        self.modulation = Modulation(config.width)
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.perception_depth))
        self.pool = AttentionPool(config.width, config.heads)
        self.project = nn.Linear(config.width, config.embed, bias=False)

    def forward(self, z_B3HW: Tensor, t_B: Tensor, rope_NF: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens `(B, N, D)`, registers first, and the time vector `(B, D)`."""
        grid = (z_B3HW.shape[-2] // self.patch, z_B3HW.shape[-1] // self.patch)
        x_BND = self.expand(self.squeeze(patchify(z_B3HW, self.patch)))
        x_BND = x_BND + self.position(positions(grid, z_B3HW.device))
        x_BND = torch.cat((self.register_tokens.expand(len(x_BND), -1, -1), x_BND), 1)
        time_BD = self.time(t_B)
        modulation_B6D = self.modulation(time_BD)
        for block in self.blocks:
            x_BND = block(x_BND, modulation_B6D, rope_NF)
        return x_BND, time_BD

    def embed(self, x_BND: Tensor) -> Tensor:
        """Image embeddings of unit length, `(B, embed)`, from the tokens."""
        return F.normalize(self.project(self.pool(x_BND)).float(), dim=-1)


class Synthesis(nn.Module):
    """Upper half: attends to the condition sequence, and its adaLN also takes the pooled text."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.text = nn.Linear(config.text.width, config.width)
        self.modulation = Modulation(config.width)
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, config.text.width) for _ in range(config.synthesis_depth)
        )

    def forward(
        self,
        x_BND: Tensor,
        time_BD: Tensor,
        pooled_BC: Tensor,
        condition: tuple[Tensor, Tensor],
        rope_NF: Tensor,
        settings: Sequence[Setting] = (),
    ) -> Tensor:
        """Tokens `(B, N, D)`; `condition` is as for `Block`, and `settings` are what properties and adapters say."""
        shared_B6D = self.modulation(time_BD + self.text(pooled_BC))
        words = [setting.words for setting in settings if setting.words is not None]
        for place, block in enumerate(self.blocks):
            modulation_B6D = shared_B6D
            for setting in settings:
                modulation_B6D = setting.modulate(place, modulation_B6D)
            inputs = (x_BND, modulation_B6D, rope_NF, condition)
            x_BND = block(*inputs, partial(add_words, words, place, condition)) if words else block(*inputs)
        return x_BND
