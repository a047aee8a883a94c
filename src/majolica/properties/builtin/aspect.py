"""Aspect: how wide the original of a picture was beside its height."""

from collections.abc import Mapping
from typing import Any

from majolica.properties.columns import column_property, find_number


def read(meta: Mapping[str, Any]) -> float:
    """Width over height; NaN for a picture without height."""
    width, height = find_number(meta, "original_width", "width"), find_number(meta, "original_height", "height")
    return width / height if height > 0 else float("nan")


PROPERTY = column_property("width over height of the original", 1 / 3, 3.0, read)
