"""Pictures that are small enough to be part of a page."""

from __future__ import annotations

from PIL import Image

from majolica.data.pictures.decode import decode
from majolica.data.pictures.encode import encode
from majolica.html.figures import FigurePicture, data_url

HEIGHT, MOST_WIDTH = 220, 440
"""The pixels that a thumbnail has at most."""


def thumbnail(data: bytes, caption: str, place: str) -> FigurePicture:
    """A small JPEG of a picture file, with its full size, its caption and the place where it lies.

    Raises BadSample where `data` cannot be decoded.
    """
    decoded = decode(data, (2 * HEIGHT, 2 * HEIGHT))
    small = Image.fromarray(decoded.image)
    small.thumbnail((MOST_WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    height, width = decoded.size
    tip = f"{width:,} x {height:,} px, {place}"
    return FigurePicture(data_url(encode(small, "jpg", 80), "jpeg"), width, height, caption, tip=tip)
