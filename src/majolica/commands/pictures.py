"""Pictures from files, as the verbs that look at them want them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from majolica.data.pictures.frame import Fit


def load_pictures(paths: tuple[Path, ...], side: int, how: Fit = "crop") -> Tensor:
    """Image files as images_B3HW, uint8, fitted (as `how` says) to squares of `side` pixels.

    What training sees: sRGB, upright, transparent parts on white, the antialiased resize of a full decode. UserError
    names a file that is missing or no image.
    """
    import torch

    from majolica.sampling.images import load_picture

    return torch.stack([load_picture(path, side, how) for path in paths])
