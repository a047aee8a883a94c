"""The ranks that retrieval gives to what was looked for, and recall at K.

Shapes: Q queries, T targets, E numbers of an embedding, P pairs of a query and a target that belong together, C
queries of a chunk.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from majolica.metrics.intervals import resample_interval


def best_ranks(queries_QE: Tensor, targets_TE: Tensor, pairs_P2: Tensor, chunk: int = 512) -> Tensor:
    """Return, for each query, the rank of the most similar target that belongs to it, int64 `(Q,)`, 1 for the first.

    `pairs_P2` has the pairs of a query and a target that belong together, sorted by query; every query needs one. A
    target that does not belong to a query and is exactly as similar counts as before those that do, so that a model
    with a single embedding for everything finds nothing. Only `chunk` rows of similarities are in memory at once.
    """
    ranks = []
    for start in range(0, len(queries_QE), chunk):
        similar_CT = queries_QE[start : start + chunk] @ targets_TE.T
        low, high = torch.searchsorted(
            pairs_P2[:, 0].contiguous(), torch.tensor([start, start + len(similar_CT)])
        ).tolist()
        belongs_CT = torch.zeros_like(similar_CT, dtype=torch.bool)
        belongs_CT[pairs_P2[low:high, 0] - start, pairs_P2[low:high, 1]] = True
        best_C1 = similar_CT.masked_fill(~belongs_CT, -math.inf).amax(1, keepdim=True)
        ranks.append(1 + ((similar_CT >= best_C1) & ~belongs_CT).sum(1))
    return torch.cat(ranks)


def chance_of_recall(pairs_P2: Tensor, queries: int, targets: int, k: int) -> float:
    """Return recall at K of a random order: the mean over queries of 1 - C(T - p, K) / C(T, K) with p right targets."""
    counts = torch.bincount(pairs_P2[:, 0], minlength=queries)
    missed: dict[int, float] = {
        right: math.prod(max(0, targets - right - i) / (targets - i) for i in range(min(k, targets)))
        for right in set(counts.tolist())
    }
    return 1.0 - sum(missed[right] for right in counts.tolist()) / queries


def weighted_recall(ranks_Q: NDArray[np.int64], weights_Q: NDArray[np.int64], k: int) -> float:
    """Return the share of queries whose rank is at most `k`, each counted as often as its weight says."""
    return float(weights_Q[ranks_Q <= k].sum() / weights_Q.sum())


def weighted_median(ranks_Q: NDArray[np.int64], weights_Q: NDArray[np.int64]) -> float:
    """Return the median of the ranks, which ascend, each counted as often as its weight says."""
    ends = np.cumsum(weights_Q)
    total = int(ends[-1])
    low, high = np.searchsorted(ends, [(total - 1) // 2, total // 2], side="right")
    return (int(ranks_Q[low]) + int(ranks_Q[high])) / 2


def group_interval(
    statistic: Callable[[NDArray[np.int64]], float], groups_Q: Tensor, rounds: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of a statistic of queries by the bootstrap over groups of queries.

    `statistic` gets how often each query was drawn, `(Q,)`. The captions of one picture are a group, because they are
    not independent of each other.
    """
    groups, count = groups_Q.numpy(), int(groups_Q.max()) + 1
    return resample_interval(lambda rows: statistic(np.bincount(rows, minlength=count)[groups]), count, rounds, seed)
