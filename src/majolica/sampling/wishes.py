"""From the properties that are set to what pictures are kept to while they are painted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from majolica.errors import UserError
from majolica.properties.registry import can_project, find_property
from majolica.sampling.palettes import read_palettes
from majolica.sampling.request import PaintRequest
from majolica.sampling.wish import Wish


def read_wish(
    values: Mapping[str, Tensor], request: PaintRequest, count: int, learned: Sequence[str], device: torch.device
) -> Wish | None:
    """What a request keeps its `count` pictures to, with the values `(B,)` that it sets; `learned` are the model's
    properties.

    Raises UserError for what nothing would follow or hold.
    """
    palettes_BK3 = read_palettes(request.palette, count)
    if request.hold and not request.project:
        raise UserError("properties are held by projection alone: leave out hold, or allow projection")
    if request.project:
        wish = make_wish(values, learned)
        if palettes_BK3 is not None:
            wish = replace(wish or Wish.empty(count, device), palettes_BK3=palettes_BK3.to(device))
        return wish and replace(wish, values_BP=wish.values_BP.to(device))
    if palettes_BK3 is not None:
        raise UserError("a palette is followed by projection alone: leave out the palette, or allow projection")
    for name in values:
        if name not in learned:
            raise UserError(f"this run was not trained with {name}, so it can only be followed by projection")
    return None


def make_wish(values: Mapping[str, Tensor], learned: Sequence[str]) -> Wish | None:
    """The wish for values `(B,)` by property; None where no property can be followed so.

    Raises UserError for a property that the model has not learned and that cannot be followed either.
    """
    names = []
    for name in values:
        if can_project(name):
            names.append(name)
        elif name not in learned:
            file = find_property(name).source.split(",")[0]
            raise UserError(
                f"this run was not trained with {name}, and pictures cannot be moved towards it while they are painted:"
                f" teach it with `majolica extend RUN --property {file or name}`"
            )
    if not names:
        return None
    values_BP = torch.stack([values[name].float() for name in names], 1)
    return Wish(tuple(names), values_BP, tuple(name in learned for name in names), (False,) * len(names))
