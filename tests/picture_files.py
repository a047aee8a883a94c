"""Pictures as the bytes of files."""

from __future__ import annotations

import io
from typing import Any

from numpy.typing import NDArray
from PIL import Image


def encoded(picture: Image.Image | NDArray[Any], kind: str = "JPEG", **options: Any) -> bytes:
    """`picture` as a file of that kind."""
    out = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(out, kind, **options)
    return out.getvalue()
