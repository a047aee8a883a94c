"""From encoded bytes to pixels, as training, evaluation and use want them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from majolica.data.pictures import faults
from majolica.data.pictures.colour import pixels_to_srgb
from majolica.data.pictures.faults import BadPicture, first_line
from majolica.data.pictures.frame import Fit, Shape, scale_of
from majolica.data.pictures.jpeg import check_scans, scan_jpeg
from majolica.data.pictures.memory import Reserve, jpeg_bytes, pillow_bytes, reserve_anything
from majolica.data.pictures.opening import LOCAL, open_picture, render
from majolica.data.pictures.orientation import is_sideways, read_orientation, turn_pixels

MAX_PIXELS = 64_000_000
"""Larger pictures are refused before they are decoded: a small file can unfold to gigabytes."""


@dataclass(frozen=True)
class Decoded:
    """A picture, uint8 RGB (sRGB), H x W x 3, upright, and the size that its file has."""

    image: NDArray[np.uint8]
    size: Shape
    """Height and width of the upright picture before any scaling."""
    note: str = ""
    """Why the file's colour profile was not used; empty where it was, or where there is none."""


def decode(data: bytes, target: Shape | None = None, how: Fit = "crop", reserve: Reserve = reserve_anything) -> Decoded:
    """Decode a picture of any usual format to 8-bit sRGB, upright, transparency over white. Raises BadPicture.

    A JPEG from which `target` will be made (as `how` says) may be decoded at 1/2, 1/4 or 1/8, which is quicker, as
    long as twice the target's resolution is left: within 50 dB or better of the full decode once it is scaled down.
    Without a target every pixel is decoded: for references and evaluation. Colours are converted at the decoded
    size. `reserve` hears beforehand how much memory in bytes it takes.
    """
    try:
        if data[:2] == b"\xff\xd8":
            found = _jpeg(data, target, how, reserve)
            if found is not None:
                return found
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _other(data, reserve)
    except BadPicture:
        raise
    except Exception as error:  # decoders raise whatever they like on damaged bytes
        raise BadPicture(faults.DAMAGED, first_line(error)) from error


def _jpeg(data: bytes, target: Shape | None, how: Fit, reserve: Reserve) -> Decoded | None:
    """A JPEG by libjpeg-turbo; None where Pillow must do it: inks, or bytes that it is more patient with."""
    import simplejpeg

    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    _check_size(width, height)
    if colours in ("CMYK", "YCCK"):
        return None
    head = scan_jpeg(data)
    check_scans(data, head)
    orientation = read_orientation(head.exif, head.xmp) if head.exif or head.xmp else 1
    size = (width, height) if is_sideways(orientation) else (height, width)
    # Only powers of two: libjpeg's odd eighths are slower than decoding everything.
    part = _part(size, target, how) if target else 1
    least = {} if part == 1 else {"min_height": -(-height // part), "min_width": -(-width // part)}
    reserve(jpeg_bytes(width * height, part, head.progressive))
    space = "GRAY" if colours == "Gray" and head.profile else "RGB"
    try:
        image = np.asarray(simplejpeg.decode_jpeg(data, colorspace=space, **least))
    except ValueError:
        return None
    note = ""
    if head.profile:
        image, note = pixels_to_srgb(image.reshape(image.shape[:2]) if space == "GRAY" else image, head.profile)
        image = np.stack((image,) * 3, -1) if image.ndim == 2 else image
    return Decoded(turn_pixels(image, orientation), size, note)


def _other(data: bytes, reserve: Reserve) -> Decoded:
    opened = open_picture(data, LOCAL)
    _check_size(*opened.size)
    if opened.format in ("JPEG", "MPO"):
        check_scans(data, scan_jpeg(data))
    reserve(pillow_bytes(opened.width * opened.height))
    picture, note = render(opened)
    return Decoded(np.array(picture), (picture.height, picture.width), note)


def _part(size: Shape, target: Shape, how: Fit) -> int:
    """The largest d of 8, 4, 2, 1 such that 1/d of the picture still has twice the target's resolution."""
    scale = scale_of(size, target, how)
    return next((part for part in (8, 4, 2) if scale / part >= 2), 1)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise BadPicture(faults.TOO_LARGE, f"{width} x {height}, above {MAX_PIXELS // 1_000_000} megapixels")
