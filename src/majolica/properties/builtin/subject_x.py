"""Subject position: where a thing on a plain ground is drawn, from the left to the right."""

from torch import Tensor

from majolica.properties.pixels import shift_box, subject_box
from majolica.properties.property import Property


def measure(images_B3HW: Tensor) -> Tensor:
    """Middle of the box around all edges, from 0 at the left to 1 at the right, `(B,)`; NaN without edges."""
    left, _, right, _ = subject_box(images_B3HW).unbind(1)
    return (left + right) / 2


def frame(box_B4: Tensor, values_B: Tensor) -> Tensor:
    """The box whose middle is there, of the same size or the largest at which it is whole, `(B, 4)`."""
    return shift_box(box_B4, values_B, 0)


PROPERTY = Property("horizontal place of the subject", 0.1, 0.9, measure, frame=frame)
