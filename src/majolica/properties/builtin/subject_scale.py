"""Subject scale: how large a thing on a plain ground is drawn."""

from torch import Tensor

from majolica.properties.pixels import subject_box
from majolica.properties.property import Property


def measure(images_B3HW: Tensor) -> Tensor:
    """Longer side of the box around all edges, as a share of the picture's side, `(B,)`; NaN without edges."""
    left, top, right, bottom = subject_box(images_B3HW).unbind(1)
    return (right - left).maximum(bottom - top)


PROPERTY = Property("longer side of the subject over that of the picture", 0.2, 1.0, measure)
