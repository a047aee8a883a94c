"""A property of one's own: `majolica extend RUN --property examples/warmth.py`."""

from torch import Tensor

from majolica.properties.property import Property


def measure(images_B3HW: Tensor) -> Tensor:
    """How much redder than blue pictures in [0, 1] are, `(B,)`."""
    return images_B3HW[:, 0].mean((1, 2)) - images_B3HW[:, 2].mean((1, 2))


PROPERTY = Property("mean red less mean blue", -1.0, 1.0, measure)
