"""Subject position: where a thing on a plain ground is drawn, from the top to the bottom."""

from torch import Tensor

from majolica.properties.pixels import shift_box, subject_box
from majolica.properties.property import Property


def measure(images_B3HW: Tensor) -> Tensor:
    """Middle of the box around all edges, from 0 at the top to 1 at the bottom, `(B,)`; NaN without edges."""
    _, top, _, bottom = subject_box(images_B3HW).unbind(1)
    return (top + bottom) / 2


def frame(box_B4: Tensor, values_B: Tensor) -> Tensor:
    """The box whose middle is there, of the same size or the largest at which it is whole, `(B, 4)`."""
    return shift_box(box_B4, values_B, 1)


PROPERTY = Property("vertical place of the subject", 0.1, 0.9, measure, frame=frame)
