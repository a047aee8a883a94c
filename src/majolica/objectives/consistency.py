"""Consistency of properties: a predicted picture should measure what its row was asked to show."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from majolica.models.conditions import Condition
from majolica.properties.registry import find_property, is_smooth


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
    if images_M3HW.requires_grad:  # a root in a user's measure has no gradient at 0: such a pixel then gets none
        images_M3HW.register_hook(lambda slope_M3HW: slope_M3HW.nan_to_num(0.0, 0.0, 0.0))  # type: ignore[no-untyped-call]
    total_M = t_M.new_zeros(len(t_M))
    for place, name in enumerate(names):
        entry = find_property(name)
        if not is_smooth(name):
            continue
        measured_M, wanted_M = entry.measure(images_M3HW), condition.values_BP[:, place]
        counted_M = condition.has_value_BP[:, place] & measured_M.isfinite() & wanted_M.isfinite() & (t_M >= start)
        # Both are masked before they are compared: the gradient of what is masked afterwards would be 0 * NaN.
        away_M = (torch.where(counted_M, measured_M, 0.0) - torch.where(counted_M, wanted_M, 0.0)) / entry.span
        if entry.circular:
            away_M = torch.sin(torch.pi * away_M) / torch.pi
        total_M = total_M + away_M.square()
    return total_M
