"""A property of the user's own, and the registry as it was before a test made it known."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from majolica.properties import registry

WARMTH = (Path(__file__).parents[1] / "examples" / "warmth.py").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    registry._ADDED.clear()
