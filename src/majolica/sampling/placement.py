"""Moving the subject of a picture to where it was asked for, and to that size, while it is painted.

Where edges lie is a matter of whole pixels, which has no gradient. So at a few flow times the predicted
picture is resampled: what stands in the box of its subject moves to the box that measures the values, and
the ground beyond it is stretched. The change is made to the state itself, so that what the model sees next
agrees with it, and it paints sharply what resampling has blurred.

Shapes: B rows, H and W pixels of a picture, 4 sides of a box: left, top, right and bottom in units of
width and height.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.properties.pixels import subject_box
from majolica.properties.registry import find_property
from majolica.sampling.wish import Wish

TIMES = (0.2, 0.3, 0.4, 0.5, 0.6)
"""Flow times at which subjects are moved. Before, predictions have no edges; later, few steps are left to repaint."""
NEAR = 0.03
"""A subject stays where it is if no side of its box is farther away than this share of the picture's side."""
LARGEST = 2.0
"""Factor by which a subject becomes larger or smaller at once."""


def has_frame(name: str) -> bool:
    """Whether a property says where the subject is, or how large."""
    return find_property(name).frame is not None


def split_times(times: Sequence[float], wish: Wish | None) -> list[Sequence[float]]:
    """The times of the solver in parts, between which subjects are moved; one part if nothing is asked of them."""
    if wish is None or not any(map(has_frame, wish.names)) or len(times) < 3:
        return [times]
    inner = range(1, len(times) - 1)
    cuts = sorted({min(inner, key=lambda place: abs(times[place] - t)) for t in TIMES})
    ends = [0, *cuts, len(times) - 1]
    return [times[start : end + 1] for start, end in pairwise(ends)]


def place_subjects(images_B3HW: Tensor, wish: Wish) -> Tensor:
    """Pictures whose subjects measure what is wished of their place and size.

    `images_B3HW` are in [-1, 1]. A picture without any edge stays as it is. Subjects stay whole: one whose place leaves
    no room for its size becomes smaller, also if its size was asked for.
    """
    with torch.autocast(images_B3HW.device.type, enabled=False):  # bfloat16 has too few digits for places
        return _place(images_B3HW, wish.choose(has_frame))


def _place(images_B3HW: Tensor, wish: Wish) -> Tensor:
    box_B4 = subject_box(((images_B3HW.float() + 1) / 2).clamp(0, 1))
    wanted_B4 = box_B4
    # What is held gives way to what was asked for, and a size to a place.
    for place in sorted(range(len(wish.names)), key=lambda place: (not wish.held[place], wish.names[place])):
        name = wish.names[place]
        values_B, frame = wish.values_BP[:, place], find_property(name).frame
        assert frame is not None
        wanted_B4 = torch.where(values_B.isfinite()[:, None], frame(wanted_B4, values_B), wanted_B4)
    far_B = (wanted_B4 - box_B4).abs().amax(1) > NEAR  # False where there is no box
    moved_B3HW = move_box(images_B3HW.float(), box_B4.nan_to_num(0.5), wanted_B4.nan_to_num(0.5))
    return torch.where(far_B[:, None, None, None], moved_B3HW.to(images_B3HW.dtype), images_B3HW)


def move_box(images_B3HW: Tensor, box_B4: Tensor, wanted_B4: Tensor) -> Tensor:
    """The pictures with what stands in one box moved to the other; their borders go on beyond them."""
    size_B2, wanted_B2 = box_B4[:, 2:] - box_B4[:, :2], wanted_B4[:, 2:] - wanted_B4[:, :2]
    seen_B2 = (size_B2 > 0) & (wanted_B2 > 0)  # a line has a length of 0 one way
    factor_B2 = torch.where(seen_B2, size_B2 / wanted_B2, 1.0).clamp(1 / LARGEST, LARGEST)
    middle_B2, goal_B2 = (box_B4[:, :2] + box_B4[:, 2:]) / 2, (wanted_B4[:, :2] + wanted_B4[:, 2:]) / 2
    # The place u of the new picture shows the place middle + factor (u - goal) of the old one, both in [-1, 1] here.
    start_B2 = (2 * middle_B2 - 1) - factor_B2 * (2 * goal_B2 - 1)
    turn_B23 = torch.cat((torch.diag_embed(factor_B2), start_B2[..., None]), 2)
    grid_BHW2 = F.affine_grid(turn_B23, list(images_B3HW.shape), align_corners=False)
    return F.grid_sample(images_B3HW, grid_BHW2, mode="bilinear", padding_mode="border", align_corners=False)
