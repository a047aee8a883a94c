"""Pictures into files: the pixels are sRGB already, so that no profile goes along."""

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
    """An sRGB picture as a JPEG, WebP (both of `quality`, 1 to 100) or PNG without any metadata."""
    out = io.BytesIO()
    picture.info = {}  # no EXIF (where, when, by whom), no comments, no colour profile
    kind, options = _OPTIONS[extension]
    picture.save(out, kind, **options, **({} if extension == "png" else {"quality": quality}))
    return out.getvalue()
