"""Original resolution: how large a picture was before it was made smaller (SDXL, arXiv 2307.01952)."""

from collections.abc import Mapping
from typing import Any

from majolica.properties.columns import column_property, find_size


def read(meta: Mapping[str, Any]) -> float:
    """Root of width times height, in pixels; NaN where they are not known."""
    width, height = find_size(meta)
    return float((width * height) ** 0.5)


PROPERTY = column_property("root of the pixels of the original", 64.0, 4096.0, read)
