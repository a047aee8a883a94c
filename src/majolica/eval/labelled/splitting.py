"""Divides labelled pictures into parts in which every class has its share."""

from __future__ import annotations

import torch
from torch import Tensor


def split_by_class(labels_N: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Divide rows into two parts, whose numbers ascend; the second has `share` of every class, drawn with `seed`.

    A class of two rows or more has at least one in each part; the only row of a class goes to the first part. Raises
    ValueError for a share that is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"a share lies between 0 and 1, and is not {share}")
    generator = torch.Generator().manual_seed(seed)
    second_N = torch.zeros(len(labels_N), dtype=torch.bool)
    for label in sorted(set(labels_N.tolist())):
        rows = (labels_N == label).nonzero()[:, 0]
        count = min(max(1, round(share * len(rows))), len(rows) - 1)
        second_N[rows[torch.randperm(len(rows), generator=generator)[:count]]] = True
    return (~second_N).nonzero()[:, 0], second_N.nonzero()[:, 0]
