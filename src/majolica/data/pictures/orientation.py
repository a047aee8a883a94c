"""The orientation of a picture, 1 to 8 as in EXIF, and how it is turned upright.

Source: CIPA DC-008 (Exif 2.32), 4.6.5.1.6; XMP carries the same number as tiff:Orientation.
"""

from __future__ import annotations

import re
import struct
import zlib
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
"""How a picture is turned upright, by its orientation."""


def is_sideways(orientation: int) -> bool:
    """Return whether width and height are exchanged when the picture is turned upright."""
    return orientation >= 5


def read_orientation(exif: bytes, xmp: bytes = b"") -> int:
    """Return the orientation, 1 to 8, from EXIF (a TIFF structure) or else from XMP; 1 if neither gives one."""
    found = _of_exif(exif) if exif else None
    if found is None and xmp:
        named = re.search(rb'tiff:Orientation(?:="|>)([0-9])', xmp)
        found = int(named[1]) if named else None
    return found if found in TURNS else 1


def orientation_of(opened: Any) -> int:
    """Return the orientation of a picture that Pillow has opened, without decoding it.

    For a TIFF it is 1, because Pillow itself turns a TIFF when it decodes it, and gives its upright size from the
    start.
    """
    if opened.format == "TIFF":
        return 1
    try:
        # This calls the method of the base class, because that of PNG would decode the picture first.
        found = Image.Image.getexif(opened).get(_TAG, 1)
    except Exception:  # damaged EXIF data are treated as missing
        return 1
    return found if found in TURNS else 1


def late_orientation(tail: bytes) -> int:
    """Return the orientation in an eXIf chunk behind the pixels of a PNG, of which `tail` is the end; 1 if there is
    none."""
    place = tail.rfind(b"eXIf")
    if place < 4:
        return 1
    (size,) = struct.unpack_from(">I", tail, place - 4)
    end = place + 4 + size
    found = end + 4 <= len(tail) and struct.pack(">I", zlib.crc32(tail[place:end])) == tail[end : end + 4]
    return read_orientation(tail[place + 4 : end]) if found else 1


def turn_pixels(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return pixels, H x W or H x W x 3, turned upright; `image` itself if it is upright already."""
    if orientation not in TURNS:
        return image
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    # Now it has to be mirrored left to right, top to bottom, or both.
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
    except struct.error:  # the data end early, and what there is names no orientation
        return None
    return None
