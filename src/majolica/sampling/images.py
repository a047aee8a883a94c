"""Reads pictures in any form that callers have, into squares of floats in [0, 1]."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from majolica.data.pictures.decode import decode
from majolica.data.pictures.faults import BadPicture, to_one_line
from majolica.data.pictures.fit import fit_picture
from majolica.data.pictures.frame import Fit
from majolica.data.pictures.opening import decode_upright
from majolica.errors import UserError

Picture = str | Path | Image.Image | NDArray[Any] | Tensor
"""A file, a Pillow image, or an array of uint8 or of floats in [0, 1].

An array is `HW`, `HWC` or `CHW`, with 1, 3 or 4 channels.
"""
Pictures = Picture | Iterable[Picture]
"""One picture, several, or an array of several: `BHWC` or `BCHW`."""

CHANNELS = (1, 3, 4)
"""Grey, RGB, and RGB with transparency."""
_ROUNDING = 1e-3
"""How far floats may lie outside of [0, 1], because resizing rounds."""


def read_pictures(given: Pictures, side: int, how: Fit, most: int) -> Iterator[Tensor]:
    """Yield the pictures in batches of at most `most`: `(B, 3, side, side)`, float32 in [0, 1].

    A picture that is not square is fitted in the way that training fitted it (`how`); transparent
    parts are laid on white. Raises UserError for a file that cannot be read, and for an object that
    is not a picture.
    """
    if isinstance(given, str | Path | Image.Image):
        given = [given]
    if isinstance(given, Tensor | np.ndarray):
        for part in torch.split(_to_channels_first(given), most):
            yield _to_squares(_to_rgb(_to_unit(part)), side, how)
        return
    if isinstance(given, bytes | Mapping | Set) or not isinstance(given, Iterable):
        raise UserError(
            f"an object of type {type(given).__name__} is not a picture: give a path, a Pillow image, or an array"
        )
    items = list(given)
    if not items:
        raise UserError("there are no pictures: give at least one")
    for start in range(0, len(items), most):
        yield torch.cat([_read_one(item, side, how) for item in items[start : start + most]])


def _read_one(given: Picture, side: int, how: Fit) -> Tensor:
    """One item of a list as `(1, 3, side, side)`; a batch in it as `(B, 3, side, side)`."""
    if isinstance(given, Tensor | np.ndarray):
        return _to_squares(_to_rgb(_to_unit(_to_channels_first(given))), side, how)
    if isinstance(given, str | Path):
        return _to_unit(load_picture(Path(given), side, how)[None])
    if isinstance(given, Image.Image):
        return _to_unit(convert_picture(given, side, how)[None])
    raise UserError(
        f"an object of type {type(given).__name__} is not a picture: give a path, a Pillow image, or an array"
    )


def load_picture(path: Path, side: int, how: Fit) -> Tensor:
    """A picture file as training sees it, uint8 `(3, side, side)`.

    Raises UserError, with the name of the file, where it cannot be read.
    """
    try:
        pixels = decode(path.read_bytes()).image
    except OSError as error:
        raise UserError(f"cannot read the picture {path}: {error.strerror or error}") from error
    except BadPicture as bad:
        why = f"{bad.reason} ({bad.detail})" if bad.detail else bad.reason
        raise UserError(f"cannot read the picture {path}: {why}") from bad
    return fit_picture(pixels, (side, side), how).contiguous()


def convert_picture(picture: Image.Image, side: int, how: Fit) -> Tensor:
    """A Pillow image, converted as its file would be: uint8 `(3, side, side)`."""
    if 0 in picture.size:
        raise UserError(f"a picture of {_write_shape(picture.size)} pixels shows nothing")
    try:
        flat, _ = decode_upright(picture)
    except Exception as error:  # decoders raise whatever they like on damaged bytes
        raise UserError(f"the picture {picture!r} cannot be decoded: {to_one_line(error)}") from error
    return fit_picture(np.array(flat), (side, side), how).contiguous()


def _to_channels_first(given: Tensor | NDArray[Any]) -> Tensor:
    """An array of one or several pictures as `(B, C, H, W)`.

    Where the first and the last axis could both be channels, they are taken to be first in a tensor
    of torch and last in an array of NumPy.
    """
    shape = tuple(given.shape)
    # The likelier place of the channels is tried first: NumPy arrays come from files, tensors from
    # models.
    orders = ("first", "last") if isinstance(given, Tensor) else ("last", "first")
    pixels = given if isinstance(given, Tensor) else _to_tensor(given)
    if len(shape) == 2:
        images = pixels[None, None]
    elif len(shape) in (3, 4):
        found = next((order for order in orders if shape[-3 if order == "first" else -1] in CHANNELS), None)
        if found is None:
            raise UserError(
                f"an array of shape {_write_shape(shape)} is not a picture: none of its axes holds 1, 3 or 4 channels"
            )
        batched = pixels if len(shape) == 4 else pixels[None]
        images = batched if found == "first" else batched.permute(0, 3, 1, 2)
    else:
        raise UserError(f"an array of shape {_write_shape(shape)} is not a picture: give HW, HWC, CHW, BHWC or BCHW")
    if not images.numel():
        raise UserError(f"an array of shape {_write_shape(shape)} holds no pictures")
    return images


def _to_tensor(given: NDArray[Any]) -> Tensor:
    """A NumPy array as a tensor, whatever its strides and byte order; it may be read-only."""
    if given.dtype != np.uint8 and given.dtype.kind != "f":
        raise UserError(f"pictures of {given.dtype} cannot be read: give uint8 from 0 to 255 or floats from 0 to 1")
    kept = given.astype(np.float32) if given.dtype.kind == "f" else given
    return torch.from_numpy(np.require(kept, requirements=("C", "W")))


def _to_unit(images_BCHW: Tensor) -> Tensor:
    """Pictures as floats in [0, 1]; uint8 is divided by 255. UserError for floats outside."""
    if images_BCHW.dtype == torch.uint8:
        return images_BCHW.float() / 255
    if not images_BCHW.is_floating_point():
        raise UserError(
            f"pictures of {images_BCHW.dtype} cannot be read: give uint8 from 0 to 255 or floats from 0 to 1"
        )
    images_BCHW = images_BCHW.float()
    low, high = (x.item() for x in images_BCHW.aminmax())
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # a comparison with NaN is false too
        raise UserError(
            f"pictures of floats must lie in [0, 1], and these run from {low:g} to {high:g}: scale them, or give uint8"
        )
    return images_BCHW.clamp(0, 1)


def _to_rgb(images_BCHW: Tensor) -> Tensor:
    """Pictures as `(B, 3, H, W)`: grey in all three channels, and transparency laid on white."""
    channels = images_BCHW.shape[1]
    if channels == 4:
        alpha_B1HW = images_BCHW[:, 3:]
        return images_BCHW[:, :3] * alpha_B1HW + (1 - alpha_B1HW)
    return images_BCHW.expand(-1, 3, -1, -1) if channels == 1 else images_BCHW


def _to_squares(images_B3HW: Tensor, side: int, how: Fit) -> Tensor:
    """Pictures scaled to squares of `side` pixels (bicubic, antialiased).

    `how` says what is done to those that are not square: their centre is cut out, white is added,
    or they are squeezed.
    """
    height, width = images_B3HW.shape[-2:]
    if (height, width) == (side, side):
        return images_B3HW
    if how == "crop":
        cut = min(height, width)
        top, left = (height - cut) // 2, (width - cut) // 2
        images_B3HW = images_B3HW[..., top : top + cut, left : left + cut]
    elif how == "pad":
        tall, wide = max(0, height - width), max(0, width - height)
        images_B3HW = F.pad(images_B3HW, (tall // 2, tall - tall // 2, wide // 2, wide - wide // 2), value=1.0)
    return F.interpolate(images_B3HW, (side, side), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)


def _write_shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "()"
