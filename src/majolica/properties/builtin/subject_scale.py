"""Subject scale: how large a thing on a plain ground is drawn."""

import torch
from torch import Tensor

from majolica.properties.pixels import subject_box
from majolica.properties.property import Property


def measure(images_B3HW: Tensor) -> Tensor:
    """Longer side of the box around all edges, as a share of the picture's side, `(B,)`; NaN without edges."""
    left, top, right, bottom = subject_box(images_B3HW).unbind(1)
    return (right - left).maximum(bottom - top)


def frame(box_B4: Tensor, values_B: Tensor) -> Tensor:
    """The box of that longer side with the same proportions and the nearest middle at which it is whole, `(B, 4)`."""
    start_B2, end_B2 = box_B4[:, :2], box_B4[:, 2:]
    half_B2 = (end_B2 - start_B2) / 2
    half_B2 = half_B2 * (values_B / (2 * half_B2.amax(1)))[:, None]
    middle_B2 = ((start_B2 + end_B2) / 2).maximum(half_B2).minimum(1 - half_B2)
    return torch.cat((middle_B2 - half_B2, middle_B2 + half_B2), 1)


PROPERTY = Property("longer side of the subject over that of the picture", 0.2, 1.0, measure, frame=frame)
