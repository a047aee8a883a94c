"""The layers that all parts of the model share.

Shapes: B rows, N tokens that attend, M tokens that are attended to, H heads, D width of a token or
of a head, L tokens of a condition and C their width, F frequencies (rotary: Q by row and Q by
column).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Norm(nn.LayerNorm):
    """Layer norm over the last axis, without bias; `gain=False` where adaLN supplies the gain.

    It is not RMSNorm, for which torch has no fused kernel on the CPU: layer norm is four times
    faster there (docs/adr/020).
    """

    def __init__(self, width: int, gain: bool = True) -> None:
        super().__init__(width, eps=1e-6, elementwise_affine=gain, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm(x, None if self.weight is None else self.weight.to(x.dtype), self.eps)


def layer_norm(x: Tensor, gain: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Layer norm over the last axis in the precision of `x`, also under autocast.

    The kernels compute mean and variance in float32. On a GPU, autocast would also make input and
    output float32, and everything that is multiplied with them: the pixel decoder would keep a
    third more memory for its backward pass (docs/adr/058).
    """
    with torch.autocast(x.device.type, enabled=False):
        return F.layer_norm(x, x.shape[-1:], gain, None, eps)


class SwiGLU(nn.Module):
    """Gated feed-forward layer (arXiv 2002.05202).

    It has 8/3 D hidden units, and so as many parameters as a plain layer with 4 D of them.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = swiglu_hidden(width)
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down(F.silu(self.gate(x)) * self.up(x))
        return out


def swiglu_hidden(width: int) -> int:
    """Hidden units of `SwiGLU`: 8/3 of the width, rounded up to a multiple of 16."""
    return 16 * math.ceil(width * 8 / 3 / 16)


def rotate(x_BHND: Tensor, rope_NF: Tensor) -> Tensor:
    """Rotary embedding (arXiv 2104.09864): pairs of channels, as complex numbers, times `rope_NF`."""
    pairs_BHNF = torch.view_as_complex(x_BHND.float().reshape(*x_BHND.shape[:-1], rope_NF.shape[-1], 2))
    return torch.view_as_real(pairs_BHNF * rope_NF).flatten(-2).to(x_BHND.dtype)


def rope_2d(grid: tuple[int, int], head_dim: int, registers: int = 0) -> Tensor:
    """Factors of 2-D rotary embedding, complex of modulus 1: `(registers + h * w, head_dim / 2)`.

    The angles of one half of the frequencies grow with the row, those of the other with the column.
    Coordinates are those of the cell centres, scaled so that the longer side has length 16 on every
    grid: two grids of one picture share them. Registers have angle 0.
    """
    height, width = grid
    quarter = head_dim // 4
    frequency_Q = 100.0 ** (-torch.arange(quarter, dtype=torch.float64) / quarter)
    unit = 16 / max(height, width)
    grids = torch.meshgrid(
        (torch.arange(height, dtype=torch.float64) + 0.5) * unit,
        (torch.arange(width, dtype=torch.float64) + 0.5) * unit,
        indexing="ij",
    )
    row_N, column_N = (places.flatten() for places in grids)
    angle_NF = torch.cat((row_N[:, None] * frequency_Q, column_N[:, None] * frequency_Q), 1)
    angle_NF = torch.cat((angle_NF.new_zeros(registers, 2 * quarter), angle_NF))
    return torch.polar(torch.ones_like(angle_NF), angle_NF).to(torch.complex64)


LONGEST_PRODUCTS = 512
"""Tokens up to which `attend` may hold the whole matrix of scores in memory."""


def attend(q_BHND: Tensor, k_BHMD: Tensor, v_BHMD: Tensor, mask_BM: Tensor | None, by_products: bool) -> Tensor:
    """Scaled dot-product attention, `(B, H, N, D)`; `mask_BM` is False for tokens that are hidden.

    With `by_products`, short bfloat16 sequences take plain batched products, because torch's fused
    kernel for CPUs computes them in float32, at a third of the speed (docs/adr/043).
    """
    mask = None if mask_BM is None else mask_BM[:, None, None, :]
    batch, heads, tokens, width = q_BHND.shape
    short = max(tokens, k_BHMD.shape[2]) <= LONGEST_PRODUCTS
    # For zero rows the fused call returns None on some GPUs (torch 2.11), so these take products.
    if batch and not (by_products and short and q_BHND.dtype == torch.bfloat16):
        return F.scaled_dot_product_attention(q_BHND, k_BHMD, v_BHMD, attn_mask=mask)
    q, k, v = (x.flatten(0, 1) for x in (q_BHND, k_BHMD, v_BHMD))
    unused = q.new_empty(1, 1, 1).expand(len(q), tokens, k.shape[1])  # baddbmm ignores it at beta=0
    scores = torch.baddbmm(unused, q, k.mT, beta=0, alpha=width**-0.5)
    if mask is not None:
        scores.view(batch, heads, tokens, k.shape[1]).masked_fill_(~mask, -torch.inf)
    return torch.bmm(scores.softmax(-1), v).view(batch, heads, tokens, width)


class SelfAttention(nn.Module):
    """Multi-head self-attention with QK-norm.

    `rope_NF` rotates queries and keys if it is given; `mask_BN` is False for tokens that are
    hidden.
    """

    by_products = False
    """See `attend`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm_q = Norm(width // heads)
        self.norm_k = Norm(width // heads)

    def forward(self, x_BND: Tensor, rope_NF: Tensor | None = None, mask_BN: Tensor | None = None) -> Tensor:
        batch, tokens, width = x_BND.shape
        q, k, v = (
            self.qkv(x_BND).view(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        )
        q, k = self.norm_q(q), self.norm_k(k)
        if rope_NF is not None:
            q, k = rotate(q, rope_NF), rotate(k, rope_NF)
        mixed = attend(q, k, v, mask_BN, self.by_products)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return out


class CrossAttention(nn.Module):
    """Attention from image tokens to a condition; `mask_BL` is False for tokens that are hidden."""

    by_products = False
    """See `attend`."""

    def __init__(self, width: int, heads: int, width_condition: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width, bias=False)
        self.kv = nn.Linear(width_condition, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm_q = Norm(width // heads)
        self.norm_k = Norm(width // heads)

    def forward(self, x_BND: Tensor, condition_BLC: Tensor, mask_BL: Tensor) -> Tensor:
        batch, tokens, width = x_BND.shape
        q = self.q(x_BND).view(batch, tokens, self.heads, width // self.heads).transpose(1, 2)
        k, v = (
            self.kv(condition_BLC)
            .view(batch, condition_BLC.shape[1], 2, self.heads, width // self.heads)
            .permute(2, 0, 3, 1, 4)
            .unbind(0)
        )
        mixed = attend(self.norm_q(q), self.norm_k(k), v, mask_BL, self.by_products)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return out


class AttentionPool(nn.Module):
    """Cross-attention of one learned query to the tokens: `(B, N, D) -> (B, D)`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.empty(1, 1, width))
        self.norm = Norm(width)
        self.attention = CrossAttention(width, heads, width)

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        x_BND = self.norm(x_BND)
        if mask_BN is None:
            mask_BN = torch.ones(x_BND.shape[:2], dtype=torch.bool, device=x_BND.device)
        pooled: Tensor = self.attention(self.query.expand(len(x_BND), -1, -1), x_BND, mask_BN)
        return pooled.squeeze(1)


class TimeEmbedding(nn.Module):
    """Flow time in [0, 1] to a vector, `(B,) -> (B, D)`: Fourier features, then a two-layer MLP."""

    def __init__(self, width: int, features: int = 64) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2 * features, width), nn.SiLU(), nn.Linear(width, width))
        self.register_buffer("frequency", torch.empty(features), persistent=False)
        self.frequency: Tensor

    def forward(self, t_B: Tensor) -> Tensor:
        out: Tensor = self.net(fourier(t_B[:, None], self.frequency))
        return out


def fourier_frequencies(features: int, highest: float = 128.0) -> Tensor:
    """Angular frequencies from 1 to `highest` in a geometric series, `(F,)`."""
    return torch.logspace(0, math.log10(highest), features)


def fourier(x: Tensor, frequency_F: Tensor) -> Tensor:
    """Fourier features, `(..., 1) -> (..., 2 F)`: sines, then cosines, of x at each frequency."""
    angle = x * frequency_F
    return torch.cat((angle.sin(), angle.cos()), -1)
