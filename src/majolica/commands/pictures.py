"""Pictures from files, as the verbs that look at them want them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from majolica.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


def load_pictures(paths: tuple[Path, ...], side: int, how: Literal["crop", "pad", "stretch"] = "crop") -> Tensor:
    """Image files as images_B3HW, uint8, fitted (as `how` says) to squares of `side` pixels.

    What training sees: sRGB, upright, transparent parts on white, the antialiased resize of a full decode. UserError
    names a file that is missing or no image.
    """
    import torch

    from majolica.data.pictures.decode import decode
    from majolica.data.pictures.faults import BadPicture
    from majolica.data.pictures.fit import fit

    pictures = []
    for path in paths:
        try:
            image = decode(path.read_bytes()).image
        except OSError as error:
            raise UserError(f"cannot read the picture {path}: {error.strerror or error}") from error
        except BadPicture as bad:
            raise UserError(f"cannot read the picture {path}: {bad.detail or bad.reason}") from bad
        pictures.append(fit(image, (side, side), how).contiguous())
    return torch.stack(pictures)
