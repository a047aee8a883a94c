"""Converting pictures of more than 8 bits to 8 bits.

What matters is which value counts as white. If the file says it, that is white: 65,535 for 16 bits, 4,095 for a TIFF of
12 bits. If it does not (32-bit integers, floats), white is the smallest of the usual values that no pixel exceeds: 1
(for floats only), 255, or 65,535. If pixels are negative, or larger than that, they have no usual scale, and are
stretched from the least to the greatest. Values count as encoded like sRGB, not as linear light; values that are not
finite become black.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0
_SIXTEEN = ("PNG", "PPM", "JPEG2000")
"""Formats whose 32-bit mode in Pillow holds 16 bits, scaled to the whole range of these."""


def is_deep(mode: str) -> bool:
    """Return whether pictures of this mode of Pillow have more than 8 bits."""
    return mode in ("I", "F") or mode.startswith("I;16")


def to_8_bits(opened: Any) -> Image.Image:
    """Return a loaded picture for which `is_deep` holds as mode L, or as LA if one of its values means transparent."""
    values = np.asarray(opened)
    tags = getattr(opened, "tag_v2", {})
    white = _white(opened, tags)
    levels = _stretch(values) if white is None else values.astype(np.float64) / white
    grey = (np.clip(levels, 0, 1) * 255 + 0.5).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:  # Pillow handles this for 8 bits only
        grey = 255 - grey
    picture = Image.fromarray(grey)
    clear = opened.info.get("transparency")
    if isinstance(clear, int):
        picture.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return picture


def _white(opened: Any, tags: Any) -> float | None:
    """Return the value of white, or None if no usual value fits."""
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
