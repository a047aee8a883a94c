"""The sigmoid contrastive loss over the ranks and micro-steps of an optimiser step.

The loss (SigLIP, Zhai et al. 2023, arXiv 2303.15343, section 3.2) is a sum over pairs of an image
and a text, and each term depends on its own pair alone. A pair may therefore be computed on any
rank and in any micro-step, as long as it counts once. Embeddings of earlier micro-steps are still
exact, because the weights do not change inside an optimiser step. docs/architecture.md derives this
under "The windowed contrastive loss".

In shapes, B is the number of images or captions of this rank and micro-step, K the number of
others, E the size of an embedding, and L the number of pieces of a caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

CHUNK = 1024
"""Columns of the matrix of pairs that are in memory at a time."""


@dataclass(frozen=True)
class Pairs:
    """Embeddings of images and captions, with unit norm, and the identities of the captions."""

    image_BE: Tensor
    text_BE: Tensor
    caption_B: Tensor
    """int64 identities, which are equal for equal captions (see `caption_ids`)."""

    def __len__(self) -> int:
        return len(self.image_BE)

    def detach(self) -> Pairs:
        """Return the same pairs, through which no gradient flows."""
        return Pairs(self.image_BE.detach(), self.text_BE.detach(), self.caption_B)

    def empty(self) -> Pairs:
        """Return pairs of the same type and device without any rows."""
        return Pairs(self.image_BE[:0].detach(), self.text_BE[:0].detach(), self.caption_B[:0])


def concatenate_pairs(parts: Sequence[Pairs]) -> Pairs:
    """Return the rows of all parts, in order."""
    return Pairs(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Pairs)))


def caption_ids(tokens_BL: Tensor) -> Tensor:
    """Return a 64-bit hash of each caption's pieces, `(B,)`.

    With it, the loss recognises equal captions, which are positives of each other.
    """
    weight_L = torch.arange(1, tokens_BL.shape[1] + 1, device=tokens_BL.device) * _ODD
    weight_L = (weight_L ^ (weight_L >> 29)) * _ODD  # int64 products wrap around modulo 2^64, here and below
    mixed_BL = (tokens_BL + weight_L) * _ODD
    mixed_BL = (mixed_BL ^ (mixed_BL >> 32)) * (weight_L | 1)
    return mixed_BL.sum(1)


_ODD = -7046029254386353131
"""The constant of splitmix64."""


class _PairSum(torch.autograd.Function):
    """The sum of -log sigmoid(s (scale <image, text> + bias)) over all pairs.

    The sign s is +1 for equal captions and -1 otherwise. Only one chunk of the pairs is in memory
    at a time, so the gradients are computed in the forward pass, together with the chunk's logits.
    """

    @staticmethod
    def forward(
        ctx: Any, image_BE: Tensor, text_KE: Tensor, scale: Tensor, bias: Tensor, b_B: Tensor, k_K: Tensor
    ) -> Any:
        dtype = image_BE.dtype
        image = image_BE.float() if dtype in (torch.bfloat16, torch.float16) else image_BE
        total, to_scale, to_bias = (image.new_zeros(()) for _ in range(3))
        to_image, to_text = torch.zeros_like(image), []
        for text, caption in zip(text_KE.to(image.dtype).split(CHUNK), k_K.split(CHUNK), strict=True):  # type: ignore[no-untyped-call]
            products = image @ text.T
            sign = torch.where(b_B[:, None] == caption, -1.0, 1.0).to(image.dtype)
            logits = sign * (scale * products + bias)
            total += F.softplus(logits).sum()
            slope = sign * torch.sigmoid(logits)
            to_scale += (slope * products).sum()
            to_bias += slope.sum()
            to_image += scale * (slope @ text)
            to_text.append(scale * (slope.T @ image))
        ctx.save_for_backward(to_image.to(dtype), torch.cat(to_text).to(text_KE.dtype), to_scale, to_bias)
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        to_image, to_text, to_scale, to_bias = ctx.saved_tensors
        [g] = upstream
        return g * to_image, g * to_text, g * to_scale, g * to_bias, None, None


def pair_sum(images: Pairs, texts: Pairs, scale: Tensor, bias: Tensor) -> Tensor:
    """Return the sum of the losses of all pairs of an image of `images` and a text of `texts`."""
    if not len(images) or not len(texts):
        # The sum is 0, but it has a graph, because a rank without clean rows still has to reduce
        # its gradients, which are zeros, with those of the other ranks.
        return 0 * (scale + bias + images.image_BE.sum() + texts.text_BE.sum())
    out: Tensor = _PairSum.apply(  # type: ignore[no-untyped-call]
        images.image_BE, texts.text_BE, scale, bias, images.caption_B, texts.caption_B
    )
    return out


def sigmoid_loss(here: Pairs, scale: Tensor, bias: Tensor, ranks: Pairs, earlier: Pairs, rows: float) -> Tensor:
    """Return the part of an optimiser step's loss that this rank computes in this micro-step.

    `here` are the clean rows of this rank and micro-step, `ranks` those of the other ranks, and
    `earlier` those of all ranks in earlier micro-steps; the last two are detached. The sum over
    pairs is divided by `rows`, the mean number of clean rows that a rank has in a micro-step, which
    is a fraction if some ranks have one row more than others.

    The mean over ranks and micro-steps is exactly the loss over all pairs of the optimiser step.
    The gradient is exact over ranks, and unbiased over micro-steps if their order is random (see
    "The windowed contrastive loss" in docs/architecture.md):

    * A pair across two ranks is computed on both: on the image's rank with a gradient to the image,
      and on the text's rank with a gradient to the text. Only the image's rank adds the pair to the
      value and to the gradients of `scale` and `bias`.
    * A pair across two micro-steps is computed in the later one, where only the later row can get a
      gradient. Each of the two rows is the later one with probability 1/2, so this gradient counts
      twice, while the value and the gradients of `scale` and `bias` count once.
    """
    loss = pair_sum(here, here, scale, bias) + pair_sum(here, ranks, scale, bias)
    mirror = pair_sum(ranks, here, scale.detach(), bias.detach())
    half_scale, half_bias = (scale + scale.detach()) / 2, (bias + bias.detach()) / 2
    across = pair_sum(here, earlier, half_scale, half_bias) + pair_sum(earlier, here, half_scale, half_bias)
    return (loss + mirror - mirror.detach() + 2 * across - across.detach()) / rows
