"""Pictures small enough to be part of a page."""

from __future__ import annotations

import base64
import io

from PIL import Image

from majolica.data.pictures.decode import decode

HEIGHT, MOST_WIDTH = 220, 440


def thumbnail(data: bytes) -> tuple[str, int, int]:
    """A picture as a data URI of a small JPEG, and the width and height it has in full. Raises BadSample."""
    decoded = decode(data, (2 * HEIGHT, 2 * HEIGHT))
    picture = Image.fromarray(decoded.image)
    picture.thumbnail((MOST_WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=80)
    height, width = decoded.size
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode(), width, height
