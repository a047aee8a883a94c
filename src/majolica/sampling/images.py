"""Pictures in whatever form callers have them, as the model sees them: squares of floats in [0, 1]."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional as F

from majolica.errors import UserError

Picture = str | Path | Image.Image | NDArray[Any] | Tensor
"""A file, a picture of Pillow's, or an array: `HW`, `HWC` or `CHW` with 1, 3 or 4 channels, uint8 or floats in [0, 1].
"""
Pictures = Picture | Iterable[Picture]
"""One picture, several, or an array of several: `BHWC` or `BCHW`."""

CHANNELS = (1, 3, 4)
"""Grey, RGB, and RGB with transparency."""
_ROUNDING = 1e-3
"""How far floats may lie outside of [0, 1]."""


def read_pictures(given: Pictures, side: int, most: int) -> Iterator[Tensor]:
    """At most `most` pictures at a time, `(B, 3, side, side)`, float32 in [0, 1].

    A picture that is no square is cut to its centre, as training cuts it; transparent parts lie on white. Raises
    UserError for a file that cannot be read and for what is no picture.
    """
    if isinstance(given, str | Path | Image.Image):
        given = [given]
    if isinstance(given, Tensor | np.ndarray):
        for part in torch.split(_to_channels_first(given), most):
            yield _to_squares(_to_rgb(_to_unit(part)), side)
        return
    if isinstance(given, bytes | Mapping | Set) or not isinstance(given, Iterable):
        raise UserError(
            f"an object of type {type(given).__name__} is no picture: give a path, a picture of Pillow's, or an array"
        )
    items = list(given)
    if not items:
        raise UserError("there are no pictures: give at least one")
    for start in range(0, len(items), most):
        yield torch.cat([_read_one(item, side) for item in items[start : start + most]])


def _read_one(given: Picture, side: int) -> Tensor:
    """One picture of a list, `(1, 3, side, side)`; or several, where the list holds batches."""
    if isinstance(given, Tensor | np.ndarray):
        return _to_squares(_to_rgb(_to_unit(_to_channels_first(given))), side)
    if isinstance(given, str | Path):
        return _to_unit(load_square(Path(given), side)[None])
    if isinstance(given, Image.Image):
        return _to_unit(cut_square(given, side)[None])
    raise UserError(
        f"an object of type {type(given).__name__} is no picture: give a path, a picture of Pillow's, or an array"
    )


def load_square(path: Path, side: int) -> Tensor:
    """A picture file as uint8 `(3, side, side)`; UserError names a file that is missing or is no picture."""
    try:
        with Image.open(path) as file:
            return cut_square(file, side)
    except OSError as error:
        raise UserError(f"cannot read the picture {os.fspath(path)}: {error.strerror or error}") from error
    except (Image.DecompressionBombError, ValueError, SyntaxError) as error:
        raise UserError(f"cannot read the picture {os.fspath(path)}: {error}") from error


def cut_square(picture: Image.Image, side: int) -> Tensor:
    """A picture of Pillow's, upright and over white, its centre scaled to `side`: uint8 `(3, side, side)`."""
    upright = ImageOps.exif_transpose(picture).convert("RGBA")
    flat = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright).convert("RGB")
    return torch.from_numpy(np.array(ImageOps.fit(flat, (side, side), Image.Resampling.BICUBIC))).permute(2, 0, 1)


def _to_channels_first(given: Tensor | NDArray[Any]) -> Tensor:
    """An array of one or several pictures as `(B, C, H, W)`.

    Where both ends of the shape could be channels, a tensor of torch has them first, an array of NumPy last.
    """
    shape = tuple(given.shape)
    # Where channels may lie, likeliest first: NumPy's pictures come from files, torch's from models.
    orders = ("first", "last") if isinstance(given, Tensor) else ("last", "first")
    pixels = given if isinstance(given, Tensor) else _to_tensor(given)
    if len(shape) == 2:
        images = pixels[None, None]
    elif len(shape) in (3, 4):
        found = next((order for order in orders if shape[-3 if order == "first" else -1] in CHANNELS), None)
        if found is None:
            raise UserError(f"an array of shape {_shown(shape)} is no picture: none of its axes is 1, 3 or 4 channels")
        batched = pixels if len(shape) == 4 else pixels[None]
        images = batched if found == "first" else batched.permute(0, 3, 1, 2)
    else:
        raise UserError(f"an array of shape {_shown(shape)} is no picture: give HW, HWC, CHW, BHWC or BCHW")
    if not images.numel():
        raise UserError(f"an array of shape {_shown(shape)} holds no pictures")
    return images


def _to_tensor(given: NDArray[Any]) -> Tensor:
    """A NumPy array as a tensor, whatever its strides, its byte order and its owner."""
    if given.dtype != np.uint8 and given.dtype.kind != "f":
        raise UserError(f"pictures of {given.dtype} are not read: give uint8 from 0 to 255 or floats from 0 to 1")
    kept = given.astype(np.float32) if given.dtype.kind == "f" else given
    return torch.from_numpy(np.require(kept, requirements=("C", "W")))


def _to_unit(images_BCHW: Tensor) -> Tensor:
    """uint8 over 255; floats as they are, which must lie in [0, 1]."""
    if images_BCHW.dtype == torch.uint8:
        return images_BCHW.float() / 255
    if not images_BCHW.is_floating_point():
        raise UserError(f"pictures of {images_BCHW.dtype} are not read: give uint8 from 0 to 255 or floats from 0 to 1")
    images_BCHW = images_BCHW.float()
    low, high = (x.item() for x in images_BCHW.aminmax())
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # which a NaN is not either
        raise UserError(f"pictures of floats run from 0 to 1, not from {low:g} to {high:g}: scale them, or give uint8")
    return images_BCHW.clamp(0, 1)


def _to_rgb(images_BCHW: Tensor) -> Tensor:
    """Grey in all three colours, transparency over white."""
    channels = images_BCHW.shape[1]
    if channels == 4:
        alpha_B1HW = images_BCHW[:, 3:]
        return images_BCHW[:, :3] * alpha_B1HW + (1 - alpha_B1HW)
    return images_BCHW.expand(-1, 3, -1, -1) if channels == 1 else images_BCHW


def _to_squares(images_B3HW: Tensor, side: int) -> Tensor:
    """The centre of each picture, scaled to `side` (bicubic, antialiased)."""
    height, width = images_B3HW.shape[-2:]
    if (height, width) == (side, side):
        return images_B3HW
    cut = min(height, width)
    top, left = (height - cut) // 2, (width - cut) // 2
    square = images_B3HW[..., top : top + cut, left : left + cut]
    return F.interpolate(square, (side, side), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)


def _shown(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "()"
