"""A property of the user's own, and the registry as it was before a test made it known."""

from collections.abc import Iterator

import pytest

from majolica.properties import registry

WARMTH = """
from majolica.properties.property import Property


def measure(images_B3HW):
    return images_B3HW[:, 0].mean((1, 2)) - images_B3HW[:, 2].mean((1, 2))


PROPERTY = Property("mean red less mean blue", -0.5, 0.5, measure)
"""


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    registry._ADDED.clear()
