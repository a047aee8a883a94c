"""Text tower: a bidirectional transformer over the pieces of a caption.

Shapes: B captions, L pieces of a caption, D width of the tower.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from majolica.config.model import TextConfig
from majolica.models.layers import AttentionPool, Norm, SelfAttention, SwiGLU

PAD = 0


class TextBlock(nn.Module):
    """Pre-norm block: self-attention and SwiGLU."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_attention = Norm(width)
        self.attention = SelfAttention(width, heads)
        self.norm_mlp = Norm(width)
        self.mlp = SwiGLU(width)

    def forward(self, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        x_BLD = x_BLD + self.attention(self.norm_attention(x_BLD), mask_BN=mask_BL)
        out: Tensor = x_BLD + self.mlp(self.norm_mlp(x_BLD))
        return out


class TextTower(nn.Module):
    """Captions `tokens_BL` (int64, 0 is padding) to what `majolica.models.majolica.Text` holds.

    These are token states `(B, L, D)`, their mask `(B, L)`, text embeddings of unit length
    `(B, embed)`, and pooled vectors `(B, D)`.
    """

    def __init__(self, config: TextConfig, embed: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocab, config.width)
        self.position = nn.Parameter(torch.empty(config.length, config.width))
        self.blocks = nn.ModuleList(TextBlock(config.width, config.heads) for _ in range(config.depth))
        self.norm = Norm(config.width)
        self.pool = AttentionPool(config.width, config.heads)
        self.project = nn.Linear(config.width, embed, bias=False)

    def forward(self, tokens_BL: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mask_BL = tokens_BL != PAD
        # The first position is never hidden: a row without any piece would attend to nothing.
        mask_BL = torch.cat((torch.ones_like(mask_BL[:, :1]), mask_BL[:, 1:]), 1)
        x_BLD = self.embedding(tokens_BL) + self.position[: tokens_BL.shape[1]]
        for block in self.blocks:
            x_BLD = block(x_BLD, mask_BL)
        pooled_BD = self.pool(x_BLD, mask_BL)
        return self.norm(x_BLD), mask_BL, F.normalize(self.project(pooled_BD).float(), dim=-1), pooled_BD
