"""Aspect: how wide the original of a picture was beside its height."""

from collections.abc import Mapping
from typing import Any

from majolica.properties.columns import column_property, find_size


def read(meta: Mapping[str, Any]) -> float:
    """Width over height; NaN where they are not known."""
    width, height = find_size(meta)
    return width / height


PROPERTY = column_property("width over height of the original", 1 / 3, 3.0, read)
