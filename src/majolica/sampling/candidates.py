"""Choosing the best of several beginnings of a picture with the model's own eye.

Every candidate has noise of its own. All are carried to an early flow time, where the model predicts
what each will become, embeds this prediction as it embeds any picture, and compares it with the
prompt. The seed of the best candidate is then painted, so that its picture is the one that this seed
gives by itself.

Shapes: B rows, K candidates, E numbers of an embedding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from majolica.config.picture_size import PictureSize
from majolica.models.conditions import Condition
from majolica.models.majolica import Majolica
from majolica.sampling.churn import make_churn
from majolica.sampling.foresight import foresee
from majolica.sampling.noise import draw_noise
from majolica.sampling.painting import integrate
from majolica.sampling.request import PaintSettings
from majolica.sampling.wish import Wish

RANK_TIME = 0.4
"""Flow time at which candidates are compared."""


def candidate_seed(seed: int, place: int) -> int:
    """The seed of the candidate at `place`, of a picture with that seed; the first is the seed itself."""
    if place == 0:
        return seed
    digest = hashlib.sha256(f"{seed} {place}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@torch.inference_mode()
def choose_seeds(
    model: Majolica, condition: Condition, seeds: Sequence[int], settings: PaintSettings, wish: Wish | None
) -> list[int]:
    """The seed of the best of `settings.candidates` for each row of `condition`."""
    if settings.candidates == 1:
        return list(seeds)
    scores = [
        _score(model, condition, [candidate_seed(seed, place) for seed in seeds], settings, wish)
        for place in range(settings.candidates)
    ]
    best_B = torch.stack(scores).argmax(0).tolist()
    return [candidate_seed(seed, place) for seed, place in zip(seeds, best_B, strict=True)]


def _score(
    model: Majolica, condition: Condition, seeds: Sequence[int], settings: PaintSettings, wish: Wish | None
) -> Tensor:
    """The similarity of prompt and predicted picture at `RANK_TIME`, `(B,)`, at the base resolution."""
    height, width = settings.size.base
    times = [t for t in settings.times if t <= RANK_TIME]
    early = replace(settings, size=PictureSize(height, width, 1), times=times)
    device = condition.tokens_BL.device
    noise_B3HW = torch.stack([draw_noise(seed, settings.size.base, 1, 1.0) for seed in seeds]).to(device)
    churn = make_churn(settings.churn, len(settings.times) - 1, seeds, device)
    z_B3HW = integrate(model, noise_B3HW, condition, early, wish=wish, churn=churn)
    t_B = torch.full((len(seeds),), times[-1], device=device)
    text = model.read(condition.tokens_BL)
    return (foresee(model, z_B3HW, t_B, text, condition) * text.embedding_BE).sum(1)
