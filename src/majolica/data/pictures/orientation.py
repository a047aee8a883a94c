"""Which way up a picture is: EXIF orientation 1 to 8, and the turns that undo it.

Source: CIPA DC-008 (Exif 2.32), 4.6.5.1.6; XMP carries the same number as tiff:Orientation.
"""

from __future__ import annotations

import re
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_TAG, _SHORT, _LONG = 0x0112, 3, 4
_MOST_TAGS = 512
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by its orientation."""


def is_sideways(orientation: int) -> bool:
    """Whether width and height change places in an upright picture."""
    return orientation >= 5


def read_orientation(exif: bytes, xmp: bytes = b"") -> int:
    """The orientation, 1 to 8, that EXIF (a TIFF structure) or else XMP names; 1 where both are silent or damaged."""
    found = _of_exif(exif) if exif else None
    if found is None and xmp:
        named = re.search(rb'tiff:Orientation(?:="|>)([0-9])', xmp)
        found = int(named[1]) if named else None
    return found if found in TURNS else 1


def orientation_of(opened: Any) -> int:
    """The orientation of a picture that Pillow has opened, without decoding it.

    A TIFF is turned by Pillow itself as it is decoded, and its size is the upright one from the start, so that the
    answer for a TIFF is 1.
    """
    if opened.format == "TIFF":
        return 1
    try:
        # The method of the base class: that of PNG would decode the picture first.
        found = Image.Image.getexif(opened).get(_TAG, 1)
    except Exception:  # damaged EXIF is no EXIF
        return 1
    return found if found in TURNS else 1


def turn_pixels(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Pixels, H x W or H x W x 3, turned upright; `image` itself where it is upright already."""
    if orientation not in TURNS:
        return image
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    # What is left to do: mirror left to right, top to bottom, or both.
    across = orientation in (2, 3, 6, 7)
    down = orientation in (3, 4, 7, 8)
    return np.ascontiguousarray(image[:: -1 if down else 1, :: -1 if across else 1])


def _of_exif(exif: bytes) -> int | None:
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return None
    try:
        (place,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, place)
        for entry in range(place + 2, place + 2 + 12 * min(count, _MOST_TAGS), 12):
            tag, kind = struct.unpack_from(order + "HH", exif, entry)
            if tag == _TAG and kind in (_SHORT, _LONG):
                return int(struct.unpack_from(order + ("H" if kind == _SHORT else "I"), exif, entry + 8)[0])
    except struct.error:  # it ends early: what was there named no orientation
        return None
    return None
