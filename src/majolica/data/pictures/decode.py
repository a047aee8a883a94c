"""Decoding encoded bytes to pixels, for training, evaluation and use."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from majolica.config.data import MOST_MEGAPIXELS
from majolica.data.pictures import faults
from majolica.data.pictures.colour import pixels_to_srgb
from majolica.data.pictures.faults import BadPicture, to_one_line
from majolica.data.pictures.frame import Fit, Shape, scale_of
from majolica.data.pictures.jpeg import check_scans, scan_jpeg
from majolica.data.pictures.memory import Reserve, jpeg_bytes, pillow_bytes, reserve_anything
from majolica.data.pictures.opening import LOCAL, decode_upright, open_picture
from majolica.data.pictures.orientation import is_sideways, read_orientation, turn_pixels

MAX_PIXELS = MOST_MEGAPIXELS * 1_000_000


@dataclass(frozen=True)
class Decoded:
    """An upright picture, uint8 sRGB, H x W x 3, and the size that it has in its file."""

    image: NDArray[np.uint8]
    size: Shape
    """Height and width of the upright picture before any scaling."""
    note: str = ""
    """Why the colour profile of the file was not used; "" if it was used, or if there is none."""


def decode(data: bytes, target: Shape | None = None, how: Fit = "crop", reserve: Reserve = reserve_anything) -> Decoded:
    """Decode a picture of any usual format to 8-bit sRGB, upright, with white behind transparency. Raises BadPicture.

    If a JPEG will be fitted to `target`, as `how` says, it may be decoded at 1/2, 1/4 or 1/8 of its size, which is
    quicker. At least twice the resolution of the target is left; scaled down, the result agrees with that of a full
    decode to 50 dB or better. Without a target, every pixel is decoded, as references and evaluation need it. Colours
    are converted at the decoded size. `reserve` is called with the memory in bytes that decoding takes, before it
    begins.
    """
    try:
        if data[:2] == b"\xff\xd8":
            found = _jpeg(data, target, how, reserve)
            if found is not None:
                return found
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode_with_pillow(data, reserve)
    except BadPicture:
        raise
    except Exception as error:  # decoders raise any exception on damaged bytes
        raise BadPicture(faults.DAMAGED, to_one_line(error)) from error


def _jpeg(data: bytes, target: Shape | None, how: Fit, reserve: Reserve) -> Decoded | None:
    """Decode a JPEG with libjpeg-turbo. Return None if Pillow must do it, for inks and for bytes that are damaged."""
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
    # Only powers of two are used, because the other eighths of libjpeg are slower than decoding everything.
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


def _decode_with_pillow(data: bytes, reserve: Reserve) -> Decoded:
    opened = open_picture(data, LOCAL)
    _check_size(*opened.size)
    if opened.format in ("JPEG", "MPO"):
        check_scans(data, scan_jpeg(data))
    reserve(pillow_bytes(opened.width * opened.height))
    picture, note = decode_upright(opened)
    return Decoded(np.array(picture), (picture.height, picture.width), note)


def _part(size: Shape, target: Shape, how: Fit) -> int:
    """Return the largest d of 8, 4, 2, 1 such that 1/d of the picture still has twice the resolution of the target."""
    scale = scale_of(size, target, how)
    return next((part for part in (8, 4, 2) if scale / part >= 2), 1)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise BadPicture(faults.TOO_LARGE, f"{width} x {height}, above {MOST_MEGAPIXELS} megapixels")
