"""Original resolution: how large a picture was before it was made smaller (SDXL, arXiv 2307.01952)."""

from collections.abc import Mapping
from typing import Any

from majolica.properties.columns import column_property, find_number


def read(meta: Mapping[str, Any]) -> float:
    """Root of width times height, in pixels."""
    width = find_number(meta, "original_width", "width")
    return float((width * find_number(meta, "original_height", "height")) ** 0.5)


PROPERTY = column_property("root of the pixels of the original", 64.0, 4096.0, read)
