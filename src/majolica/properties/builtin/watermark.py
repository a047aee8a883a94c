"""Watermark: how likely a picture bears one."""

from collections.abc import Mapping
from typing import Any

from majolica.properties.columns import column_property, find_number


def read(meta: Mapping[str, Any]) -> float:
    """The probability in LAION's or COYO's metadata."""
    return find_number(meta, "pwatermark", "watermark_score")


PROPERTY = column_property("probability of a watermark", 0.0, 1.0, read)
