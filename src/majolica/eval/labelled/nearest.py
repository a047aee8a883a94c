"""Classification by the nearest neighbours in the space of embeddings.

Shapes: N training pictures, B pictures to name, E numbers of an embedding, K classes, C pictures of a chunk.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

TEMPERATURE = 0.07
"""That of DINO (arXiv 2104.14294) and of Wu et al. (arXiv 1805.01978)."""


def vote_of_nearest(
    train_NE: Tensor, labels_N: Tensor, images_BE: Tensor, classes: int, counts: Sequence[int], chunk: int = 512
) -> dict[int, Tensor]:
    """Return, for each k in `counts`, the class `(B,)` for which the k most similar training pictures vote.

    A neighbour's vote for its class weighs exp(cosine / `TEMPERATURE`), as in Wu et al., "Unsupervised Feature
    Learning via Non-Parametric Instance Discrimination" (arXiv 1805.01978), and in DINO (arXiv 2104.14294). All
    embeddings have unit length. A k above the number of training pictures means all of them.
    """
    answers: dict[int, list[Tensor]] = {k: [] for k in counts}
    most = min(max(counts), len(train_NE))
    for start in range(0, len(images_BE), chunk):
        similar_Ck, rows_Ck = (images_BE[start : start + chunk].float() @ train_NE.float().T).topk(most, 1)
        # Relative to the most similar, so that no weight is too large; it changes no vote.
        weights_Ck = ((similar_Ck - similar_Ck[:, :1]).double() / TEMPERATURE).exp()
        for k, found in answers.items():
            votes_CK = torch.zeros(len(rows_Ck), classes, dtype=torch.float64)
            found.append(votes_CK.scatter_add_(1, labels_N[rows_Ck[:, :k]], weights_Ck[:, :k]).argmax(1))
    return {k: torch.cat(found) for k, found in answers.items()}
