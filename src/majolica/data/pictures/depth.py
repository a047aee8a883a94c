"""Pictures of more than 8 bits as 8 bits.

The rule is what counts as white. Where the file says it, that is white: 65,535 for 16 bits, 4,095 for a TIFF of 12.
Where it does not (32-bit integers, floats), white is the smallest of the usual ones that no pixel passes: 1 for floats
alone, 255, 65,535. Pixels that are negative, or larger than that, have no usual scale, and are stretched from the
least to the greatest. Values count as encoded like sRGB, not as linear light; what is not finite is black.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0
_SIXTEEN = ("PNG", "PPM", "JPEG2000")
"""Formats whose 32-bit mode in Pillow holds 16 bits, scaled to their whole range."""


def is_deep(mode: str) -> bool:
    """Whether pictures of this Pillow mode have more than 8 bits."""
    return mode in ("I", "F") or mode.startswith("I;16")


def to_8_bits(opened: Any) -> Image.Image:
    """A loaded picture for which `is_deep` holds as mode L, or LA where one of its values counts as transparent."""
    values = np.asarray(opened)
    tags = getattr(opened, "tag_v2", {})
    white = _white(opened, tags)
    levels = _stretch(values) if white is None else values.astype(np.float64) / white
    grey = (np.clip(levels, 0, 1) * 255 + 0.5).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:  # which Pillow heeds for 8 bits only
        grey = 255 - grey
    picture = Image.fromarray(grey)
    clear = opened.info.get("transparency")
    if isinstance(clear, int):
        picture.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return picture


def _white(opened: Any, tags: Any) -> float | None:
    """The value of white, None where there is no usual one."""
    if opened.mode.startswith("I;16"):
        bits = tags.get(_BITS, (16,))[0]
        return float(2 ** min(bits, 16) - 1)
    if opened.mode == "I" and opened.format in _SIXTEEN:
        return 65535.0
    low, high = _range(np.asarray(opened))
    usual = (1.0, 255.0, 65535.0) if opened.mode == "F" else (255.0, 65535.0)
    return next((white for white in usual if low >= 0 and high <= white), None)


def _stretch(values: NDArray[Any]) -> NDArray[np.float64]:
    low, high = _range(values)
    even = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
    return (even - low) / (high - low) if high > low else np.zeros_like(even)


def _range(values: NDArray[Any]) -> tuple[float, float]:
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
