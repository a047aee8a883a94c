"""Encoding pictures for files. The pixels are sRGB already, so no colour profile is written."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

_OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "jpg": ("JPEG", {}),
    "webp": ("WEBP", {}),
    "png": ("PNG", {"compress_level": 3}),
}


def encode(picture: Image.Image, extension: str, quality: int) -> bytes:
    """Encode an sRGB picture as JPEG or WebP (of `quality`, 1 to 100), or as PNG, without any metadata."""
    out = io.BytesIO()
    picture.info = {}  # drops EXIF data (place, time, author), comments and the colour profile
    kind, options = _OPTIONS[extension]
    picture.save(out, kind, **options, **({} if extension == "png" else {"quality": quality}))
    return out.getvalue()
