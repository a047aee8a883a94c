"""Pictures from files, as the verbs that look at them want them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from majolica.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


def load_pictures(paths: tuple[Path, ...], side: int) -> Tensor:
    """Image files as images_B3HW, uint8, centre-cropped to squares and resized to `side` pixels.

    The antialiased resize of a full decode, turned as the camera says, transparent parts on white. UserError
    names a file that is missing or no image.
    """
    import numpy as np
    import torch
    from PIL import Image, ImageOps

    pictures = []
    for path in paths:
        try:
            with Image.open(path) as file:
                picture = ImageOps.exif_transpose(file).convert("RGBA")
        except OSError as error:
            raise UserError(f"cannot read the picture {path}: {error.strerror or error}") from error
        except (Image.DecompressionBombError, ValueError, SyntaxError) as error:
            raise UserError(f"cannot read the picture {path}: {error}") from error
        flat = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
        square = ImageOps.fit(flat, (side, side), Image.Resampling.BICUBIC)
        pictures.append(torch.from_numpy(np.array(square)).permute(2, 0, 1))
    return torch.stack(pictures)
