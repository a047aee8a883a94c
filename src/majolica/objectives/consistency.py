"""Consistency of properties: a predicted picture should measure what its row was asked to show."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from majolica.models.conditions import Condition
from majolica.properties.registry import find_property


def consistency_loss(
    names: Sequence[str], predicted_M3HW: Tensor, condition: Condition, t_M: Tensor, start: float
) -> Tensor:
    """Squared differences of measured and requested values in units of their ranges, summed over properties, `(M,)`.

    `predicted_M3HW` is in [-1, 1], and `condition` has M rows. Rows with t < `start` have 0, because
    what is predicted there is a mean over many pictures, which has little contrast. So have properties
    that are hidden, those without a value, and those that cannot be differentiated, such as the place
    of edges. Angles differ by 2 sin(difference / 2), which is smooth around the circle.
    """
    images_M3HW = ((predicted_M3HW.float() + 1) / 2).clamp(0, 1)
    total_M = t_M.new_zeros(len(t_M))
    for place, name in enumerate(names):
        entry = find_property(name)
        if entry.read is not None:  # pixels do not tell it
            continue
        measured_M = entry.measure(images_M3HW)
        if not measured_M.requires_grad:
            continue
        away_M = (measured_M - condition.values_BP[:, place]) / entry.span
        if entry.circular:
            away_M = torch.sin(torch.pi * away_M) / torch.pi
        counted_M = condition.has_value_BP[:, place] & measured_M.isfinite() & (t_M >= start)
        total_M = total_M + torch.where(counted_M, away_M, 0.0).square()
    return total_M
