"""The files that painted pictures are written to, and what they hold beside the picture."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from majolica.errors import UserError
from majolica.files import check_writable, write_atomic

if TYPE_CHECKING:
    from torch import Tensor

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def check_format(out: Path) -> None:
    """Raise UserError if the name of a file does not end in that of a format that can be written."""
    if out.suffix.lower() not in FORMATS:
        raise UserError(f"cannot write {out}: name a file that ends in {', '.join(FORMATS)}")


def name_files(out: Path, count: int) -> list[Path]:
    """Return `out` for one picture, and numbered files beside it for several.

    Raises UserError if one of them cannot be written.
    """
    paths = [out] if count == 1 else [out.with_stem(f"{out.stem}-{i}") for i in range(1, count + 1)]
    for path in paths:
        check_writable(path)
    return paths


@dataclass(frozen=True)
class PaintedFiles:
    """One file for each picture. A PNG also carries its prompt, and the settings that paint it again."""

    paths: Sequence[Path]
    prompts: Sequence[str]
    settings: Mapping[str, Any]
    """Those of all pictures."""
    own_settings: Sequence[Mapping[str, Any]]
    """Those of each picture."""

    def write(self, start: int, images_B3HW: Tensor) -> None:
        """Write the pictures from the one at place `start` on, uint8, and print the names of their files."""
        height, width = images_B3HW.shape[-2:]
        size = {"size": width if width == height else f"{width}x{height}"}
        for place, image_3HW in enumerate(images_B3HW, start):
            path = self.paths[place]
            settings = {**self.settings, **size, **self.own_settings[place]}
            write_atomic(path, _encode(image_3HW, FORMATS[path.suffix.lower()], self.prompts[place], settings))
            print(path, flush=True)


def _encode(image_3HW: Tensor, kind: str, prompt: str, settings: dict[str, Any]) -> bytes:
    """Return a uint8 picture as the content of a file."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("prompt", prompt)
    info.add_itxt("majolica", json.dumps(settings))
    content = io.BytesIO()
    extra = {"pnginfo": info} if kind == "PNG" else {"quality": 95}
    Image.fromarray(image_3HW.permute(1, 2, 0).cpu().numpy()).save(content, kind, **extra)
    return content.getvalue()
