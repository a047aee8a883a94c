"""One sample as it is stored in a tar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Pair:
    """What training reads of a sample: its picture, still encoded, and its caption."""

    image: bytes
    caption: str


@dataclass(frozen=True)
class Record:
    """One sample as it is stored: its encoded picture, the extension of that ("jpg", "png", ...), caption and
    metadata."""

    image: bytes
    extension: str
    caption: str
    meta: dict[str, Any]
    fault: str = ""
    """What is wrong with the metadata, if it cannot be used; the sample is used without it."""


def extension_of(image: bytes) -> str:
    """Return the usual extension of an encoded picture, from its first bytes; "jpg" if they are not known."""
    if image[4:8] == b"ftyp":
        return "avif" if image[8:12] in (b"avif", b"avis") else "heic"
    if image[8:12] == b"WEBP":
        return "webp"
    starts = {
        b"\x89PNG": "png",
        b"GIF8": "gif",
        b"BM": "bmp",
        b"II*\0": "tif",
        b"MM\0*": "tif",
        b"P5": "ppm",
        b"P6": "ppm",
        b"\0\0\0\x0cjP": "jp2",
    }
    return next((extension for start, extension in starts.items() if image.startswith(start)), "jpg")
