"""Crop: how much of the original of a picture training does not show (SDXL's micro-conditioning, arXiv 2307.01952)."""

import math
from collections.abc import Mapping
from typing import Any

from majolica.properties.columns import FRAME, column_property, read_ratio


def read(meta: Mapping[str, Any]) -> float:
    """Share of the original's longer side that is cut away; NaN where its size is not known."""
    stored = read_ratio(meta, "width", "height")
    original = read_ratio(meta, "original_width", "original_height")
    whole, kept = stored if math.isnan(original) else original, float(meta.get(FRAME) or stored)
    return 1 - min(kept / whole, whole / kept)


PROPERTY = column_property("share of the original that is cut away", 0.0, 2 / 3, read)
