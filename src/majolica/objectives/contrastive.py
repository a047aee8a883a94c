"""Sigmoid contrastive loss (SigLIP, arXiv 2303.15343): a sum over pairs, each judged on its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


def same_caption(tokens_BL: Tensor, others_KL: Tensor) -> Tensor:
    """`(B, K)` bool: pairs of rows whose captions have the same pieces. Such pairs are not negatives of each other."""
    return (tokens_BL[:, None] == others_KL[None]).all(-1)


def pair_losses(image_BE: Tensor, text_KE: Tensor, match_BK: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """-log sigmoid(+-(scale * <image, text> + bias)) of every pair, `(B, K)`; embeddings have unit norm."""
    logits_BK = scale * image_BE @ text_KE.T + bias
    return F.softplus(torch.where(match_BK, -logits_BK, logits_BK))


@dataclass(frozen=True)
class Peers:
    """Embeddings from elsewhere (other ranks), detached: further negatives for the rows at hand."""

    image_KE: Tensor
    text_KE: Tensor
    tokens_KL: Tensor


def sigmoid_loss(
    image_BE: Tensor, text_BE: Tensor, tokens_BL: Tensor, scale: Tensor, bias: Tensor, peers: Peers
) -> Tensor:
    """This rank's share of the loss over all pairs; the mean over ranks has exactly the full loss's value and gradient.

    A pair across two ranks appears on both: on the image's rank with a gradient to the image, on the text's rank with a
    gradient to the text alone. The second appearance adds nothing to the value, nor to `scale` and `bias`.
    """
    texts = torch.cat((text_BE, peers.text_KE))
    match = same_caption(tokens_BL, torch.cat((tokens_BL, peers.tokens_KL)))
    loss = pair_losses(image_BE, texts, match, scale, bias).sum()
    if len(peers.image_KE):
        match = same_caption(peers.tokens_KL, tokens_BL)
        mirror = pair_losses(peers.image_KE, text_BE, match, scale.detach(), bias.detach()).sum()
        loss = loss + mirror - mirror.detach()
    return loss / max(1, len(image_BE))
