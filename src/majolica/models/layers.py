"""The few layers that every part of the model is made of.

Shapes: B rows, N tokens, M tokens that are attended to, H heads, D width of a token or of a head, L tokens of a
condition and C their width, F rotary frequencies, of which Q by row and Q by column.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Norm(nn.LayerNorm):
    """Layer norm over the last axis, without bias; `gain=False` where adaLN supplies the gain.

    Not RMSNorm: on CPU torch has a fused kernel for this one only, four times faster (docs/adr/020).
    """

    def __init__(self, width: int, gain: bool = True) -> None:
        super().__init__(width, eps=1e-6, elementwise_affine=gain, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm(x, None if self.weight is None else self.weight.to(x.dtype), self.eps)


def layer_norm(x: Tensor, gain: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Layer norm over the last axis in the precision of `x`, also under autocast.

    The kernels take mean and variance in float32. On a GPU, and there alone, autocast would also make input and output
    float32, and everything that is multiplied with them: the pixel decoder would keep a third more (docs/adr/058).
    """
    with torch.autocast(x.device.type, enabled=False):
        return F.layer_norm(x, x.shape[-1:], gain, None, eps)


class SwiGLU(nn.Module):
    """Gated feed-forward (arXiv 2002.05202) with 8/3 D hidden units: the parameters of a plain 4 D layer."""

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


def rotate(x_BHND: Tensor, turn_NF: Tensor) -> Tensor:
    """Rotary embedding (arXiv 2104.09864): pairs of channels as complex numbers, turned by their angle."""
    pairs = torch.view_as_complex(x_BHND.float().reshape(*x_BHND.shape[:-1], turn_NF.shape[-1], 2))
    return torch.view_as_real(pairs * turn_NF).flatten(-2).to(x_BHND.dtype)


def rope_2d(grid: tuple[int, int], head_dim: int, registers: int = 0) -> Tensor:
    """Turns of 2-D rotary embedding over normalised coordinates: unit complex `(registers + h*w, head_dim / 2)`.

    Half of the frequencies turn with the row, half with the column. Coordinates are cell centres scaled so that the
    longer side has unit length times 16 (any grid of the same picture shares them); registers sit still (angle 0).
    """
    height, width = grid
    quarter = head_dim // 4
    frequency_Q = 100.0 ** (-torch.arange(quarter, dtype=torch.float64) / quarter)
    unit = 16 / max(height, width)
    row_N, column_N = torch.meshgrid(
        (torch.arange(height, dtype=torch.float64) + 0.5) * unit,
        (torch.arange(width, dtype=torch.float64) + 0.5) * unit,
        indexing="ij",
    )
    angle_NQ = torch.cat((row_N.flatten()[:, None] * frequency_Q, column_N.flatten()[:, None] * frequency_Q), 1)
    angle_NQ = torch.cat((angle_NQ.new_zeros(registers, 2 * quarter), angle_NQ))
    return torch.polar(torch.ones_like(angle_NQ), angle_NQ).to(torch.complex64)


LONGEST_PRODUCTS = 512
"""Tokens up to which scores may lie in memory."""


def attend(q_BHND: Tensor, k_BHMD: Tensor, v_BHMD: Tensor, mask_BM: Tensor | None, by_products: bool) -> Tensor:
    """Attention over what `mask_BM` leaves, `(B, H, N, D)`.

    `by_products` takes plain batched products for short bfloat16 sequences: torch's fused kernel for CPUs computes
    them in float32, at a third of the speed (docs/adr/043).
    """
    mask = None if mask_BM is None else mask_BM[:, None, None, :]
    batch, heads, tokens, width = q_BHND.shape
    short = max(tokens, k_BHMD.shape[2]) <= LONGEST_PRODUCTS
    # Without any rows the fused call gives None on some GPUs (torch 2.11); products give no rows.
    if batch and not (by_products and short and q_BHND.dtype == torch.bfloat16):
        return F.scaled_dot_product_attention(q_BHND, k_BHMD, v_BHMD, attn_mask=mask)
    q, k, v = (x.flatten(0, 1) for x in (q_BHND, k_BHMD, v_BHMD))
    nothing = q.new_empty(1, 1, 1).expand(len(q), tokens, k.shape[1])
    scores = torch.baddbmm(nothing, q, k.mT, beta=0, alpha=width**-0.5)
    if mask is not None:
        scores.view(batch, heads, tokens, k.shape[1]).masked_fill_(~mask, -torch.inf)
    return torch.bmm(scores.softmax(-1), v).view(batch, heads, tokens, width)


class SelfAttention(nn.Module):
    """Multi-head self-attention with QK-norm; `rope` turns queries and keys when given, `mask_BN` hides keys."""

    by_products = False

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm_q = Norm(width // heads)
        self.norm_k = Norm(width // heads)

    def forward(self, x_BND: Tensor, rope: Tensor | None = None, mask_BN: Tensor | None = None) -> Tensor:
        batch, tokens, width = x_BND.shape
        q, k, v = (
            self.qkv(x_BND).view(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        )
        q, k = self.norm_q(q), self.norm_k(k)
        if rope is not None:
            q, k = rotate(q, rope), rotate(k, rope)
        mixed = attend(q, k, v, mask_BN, self.by_products)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return out


class CrossAttention(nn.Module):
    """Attention from the image tokens to a condition sequence of which `mask_BL` says what is there."""

    by_products = False

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
    """One learned query per head reads the tokens: `(B, N, D) -> (B, D)`."""

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
    """Flow time in [0, 1] to a width-D vector: Fourier features, then a two-layer perceptron."""

    def __init__(self, width: int, features: int = 64) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2 * features, width), nn.SiLU(), nn.Linear(width, width))
        self.register_buffer("frequency", torch.empty(features), persistent=False)
        self.frequency: Tensor

    def forward(self, t_B: Tensor) -> Tensor:
        out: Tensor = self.net(fourier(t_B[:, None], self.frequency))
        return out


def fourier_frequencies(features: int, highest: float = 128.0) -> Tensor:
    """Angular frequencies from 1 to `highest`, geometric."""
    return torch.logspace(0, math.log10(highest), features)


def fourier(x_B1: Tensor, frequency_F: Tensor) -> Tensor:
    """`(..., 1) -> (..., 2F)`: sines and cosines of x at each frequency."""
    angle = x_B1 * frequency_F
    return torch.cat((angle.sin(), angle.cos()), -1)
