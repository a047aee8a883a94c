"""Sigmoid contrastive loss (SigLIP, arXiv 2303.15343) over ranks and over the micro-steps of an optimiser step.

The loss is a sum over pairs of an image and a text, each judged on its own. So pairs may be counted wherever it is
convenient, as long as each counts once: with rows of other ranks, and with rows of earlier micro-steps, whose
embeddings are exact because the weights do not move inside an optimiser step.

Shapes: B images or captions here, K others, E embedding, L pieces of a caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

CHUNK = 1024
"""Columns of the pair matrix that exist at a time."""


@dataclass(frozen=True)
class Pairs:
    """Embeddings of images and of their captions, with unit norm, and what tells captions apart."""

    image_BE: Tensor
    text_BE: Tensor
    caption_B: Tensor
    """int64: equal for equal captions, see `caption_ids`."""

    def __len__(self) -> int:
        return len(self.image_BE)

    def detach(self) -> Pairs:
        """The same without a graph."""
        return Pairs(self.image_BE.detach(), self.text_BE.detach(), self.caption_B)

    def empty(self) -> Pairs:
        """No rows, of the same kind."""
        return Pairs(self.image_BE[:0].detach(), self.text_BE[:0].detach(), self.caption_B[:0])


def concatenate_pairs(parts: Sequence[Pairs]) -> Pairs:
    """All rows of all parts."""
    return Pairs(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Pairs)))


def caption_ids(tokens_BL: Tensor) -> Tensor:
    """A 64-bit hash of each caption's pieces `(B,)`: equal captions are positives of each other, not negatives."""
    weight_L = torch.arange(1, tokens_BL.shape[1] + 1, device=tokens_BL.device) * _ODD
    weight_L = (weight_L ^ (weight_L >> 29)) * _ODD  # modulo 2^64, as all that follows
    mixed_BL = (tokens_BL + weight_L) * _ODD
    mixed_BL = (mixed_BL ^ (mixed_BL >> 32)) * (weight_L | 1)
    return mixed_BL.sum(1)


_ODD = -7046029254386353131
"""The constant of splitmix64."""


class _PairSum(torch.autograd.Function):
    """Sum of -log sigmoid(+-(scale <image, text> + bias)) over all pairs, with no more than a chunk of them in memory.

    The gradients are computed in the forward pass, where each chunk's logits are at hand.
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
    """Sum of the pair losses between the images of one set and the texts of another."""
    if not len(images) or not len(texts):
        # Nothing, but with a graph: a rank without clean rows has to give its zeros to the others.
        return 0 * (scale + bias + images.image_BE.sum() + texts.text_BE.sum())
    out: Tensor = _PairSum.apply(  # type: ignore[no-untyped-call]
        images.image_BE, texts.text_BE, scale, bias, images.caption_B, texts.caption_B
    )
    return out


def sigmoid_loss(here: Pairs, scale: Tensor, bias: Tensor, ranks: Pairs, earlier: Pairs, rows: float) -> Tensor:
    """This rank's and micro-step's share of the loss over all pairs of an optimiser step, divided by `rows`.

    `rows` is the mean of the ranks' rows in a micro-step: ranks may have one more or less.

    `ranks` are the other ranks' rows of this micro-step, `earlier` all ranks' rows of earlier ones, both detached.
    The mean over ranks and micro-steps is the full loss, exactly. Its gradient is exact over ranks, and over
    micro-steps unbiased when their order is random (design, section 3):

    * A pair across two ranks appears on both: on the image's rank with a gradient to the image, on the text's rank
      with one to the text. The second appearance adds nothing to the value, nor to `scale` and `bias`.
    * A pair across two micro-steps appears in the later one and can only move its row there. Which row is the later
      is a fair coin, so that row's gradient counts twice; value, `scale` and `bias` count once.
    """
    loss = pair_sum(here, here, scale, bias) + pair_sum(here, ranks, scale, bias)
    mirror = pair_sum(ranks, here, scale.detach(), bias.detach())
    half_scale, half_bias = (scale + scale.detach()) / 2, (bias + bias.detach()) / 2
    across = pair_sum(here, earlier, half_scale, half_bias) + pair_sum(earlier, here, half_scale, half_bias)
    return (loss + mirror - mirror.detach() + 2 * across - across.detach()) / rows
