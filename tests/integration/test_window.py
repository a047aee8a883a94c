"""Pairs of other ranks and micro-steps: averaged over all orders, the loss is that of the full batch."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F

from majolica.config.split import RowSplit
from majolica.distributed.group import Group
from majolica.objectives.contrastive import Pairs, sigmoid_loss
from majolica.train import step
from ranks import on_ranks

MICRO_STEPS, ROWS = 3, 8


def window_of_a_rank(group: Group) -> list[list[np.ndarray]]:
    """Gradients of this rank's losses, summed over the ranks, averaged over all orders of the micro-steps."""
    image, text, captions = embeddings()
    at = [image, text, *(torch.tensor(value, dtype=torch.float64) for value in (2.0, -1.0))]
    at = [x.requires_grad_() for x in at]
    orders = list(itertools.permutations(range(MICRO_STEPS)))
    total = torch.zeros((), dtype=torch.float64)
    for order in orders:
        window: list[Pairs] = []
        for micro in order:
            each = ROWS // group.world
            mine = slice(micro * ROWS + group.rank * each, micro * ROWS + (group.rank + 1) * each)
            here = Pairs(at[0][mine], at[1][mine], captions[mine])
            others = step.gather_pairs(here, window, group, RowSplit(ROWS, noisy=0, fine=0))
            total = total + sigmoid_loss(here, at[2], at[3], others.ranks, others.earlier, each)
    gradients = torch.autograd.grad(total / (len(orders) * MICRO_STEPS * group.world), at)
    if group.world > 1:
        for gradient in gradients:
            dist.all_reduce(gradient)
    return [gradient.numpy() for gradient in gradients]


def embeddings() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    count = MICRO_STEPS * ROWS
    image, text = (F.normalize(torch.randn(count, 8, generator=generator, dtype=torch.float64), dim=1) for _ in "it")
    captions = torch.arange(count)
    captions[[3, 9, 14, 22]] = 1  # across ranks and micro-steps
    return image, text, captions


@pytest.mark.parametrize("world", [1, 2, 4])
def test_the_window_over_real_ranks_averages_to_the_full_batch(tmp_path: Path, world: int) -> None:
    image, text, captions = embeddings()
    scale, bias = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (2.0, -1.0))
    image.requires_grad_(), text.requires_grad_()
    logits = scale * image @ text.T + bias
    match = captions[:, None] == captions
    loss = F.softplus(torch.where(match, -logits, logits)).sum() / len(image)
    wanted = torch.autograd.grad(loss, [image, text, scale, bias])
    for answer in on_ranks(world, window_of_a_rank, tmp_path):
        for found, expected in zip(answer, wanted, strict=True):
            np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-9)
