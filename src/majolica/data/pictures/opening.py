"""Opening pictures of all formats but plain JPEG with Pillow, as upright 8-bit sRGB pictures."""

from __future__ import annotations

import io
import re
from functools import lru_cache
from typing import Any

from PIL import Image, UnidentifiedImageError, features

from majolica.data.pictures import faults
from majolica.data.pictures.colour import to_srgb
from majolica.data.pictures.depth import is_deep, to_8_bits
from majolica.data.pictures.faults import BadPicture, to_one_line
from majolica.data.pictures.orientation import TURNS, is_sideways, late_orientation, orientation_of

WEB = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP")
"""Formats of the web. There are no more, because each further decoder is one more target for hostile files."""
LOCAL = (*WEB, "TIFF", "PPM", "JPEG2000", "ICO", "PSD", "QOI", "PCX", "SGI", "TGA")
"""Further formats that people have on their disks. None of them runs a program, as EPS would."""

_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"mif1", b"msf1"), "HEIC"),
}


def open_picture(data: bytes | bytearray, formats: tuple[str, ...] = LOCAL) -> Any:
    """Open a picture with Pillow, which reads its header and decodes nothing yet. Raises BadPicture."""
    if not data:
        raise BadPicture(faults.UNKNOWN, "the file is empty", faults.DAMAGED)
    try:
        return Image.open(io.BytesIO(data), formats=_select_supported(formats))
    except Image.DecompressionBombError as error:
        raise BadPicture(faults.TOO_LARGE, to_one_line(error)) from None
    except UnidentifiedImageError:
        kind = _recognise_format(bytes(data[:512]))
        if kind:
            raise BadPicture(faults.UNKNOWN, kind, f"picture is {kind}") from None
        raise BadPicture(faults.UNKNOWN, f"begins with {data[:8].hex()}", faults.DAMAGED) from None
    except Exception as error:  # decoders raise any exception on damaged bytes
        raise BadPicture(faults.DAMAGED, to_one_line(error)) from None


def decode_upright(opened: Any) -> tuple[Image.Image, str]:
    """Decode the first frame of an opened picture to upright 8-bit sRGB over white; also return why its profile was not
    used.

    Raises whatever the decoder raises.
    """
    opened.load()
    orientation = orientation_of(opened)  # in some formats it comes after the pixels
    flat, alpha = _split_alpha(opened)
    flat, note = to_srgb(flat, opened.info.get("icc_profile"))
    if flat.mode != "RGB":
        flat = flat.convert("RGB")
    if alpha is not None:
        flat.putalpha(alpha)
        flat = Image.alpha_composite(Image.new("RGBA", flat.size, "white"), flat).convert("RGB")
    return (flat.transpose(TURNS[orientation]) if orientation in TURNS else flat), note


def _split_alpha(opened: Any) -> tuple[Image.Image, Image.Image | None]:
    """Return the colours in one of the modes that `to_srgb` takes, and the opacity, if there is any."""
    picture: Image.Image = to_8_bits(opened) if is_deep(opened.mode) else opened
    if picture.mode == "La":
        picture = picture.convert("LA")
    if picture.mode == "LA":
        return picture.getchannel("L"), picture.getchannel("A")
    if picture.has_transparency_data:
        whole = picture.convert("RGBA")
        return whole.convert("RGB"), whole.getchannel("A")
    if picture.mode == "1":
        return picture.convert("L"), None
    if picture.mode in ("L", "RGB", "CMYK", "LAB"):
        return picture, None
    return picture.convert("RGB"), None


@lru_cache(maxsize=8)
def _select_supported(formats: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of `formats` that this Pillow supports."""
    Image.init()
    return tuple(name for name in formats if name in Image.OPEN)


def _recognise_format(head: bytes) -> str:
    """Return what kind of file it is that no decoder knows; "" if that is not clear."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    brand = _BRANDS.get(head[8:12]) if head[4:8] == b"ftyp" else None
    if brand == "AVIF" and not features.check("avif"):
        return "AVIF, which this Pillow cannot read: install Pillow 11.3 or newer"
    if brand == "AVIF":
        return ""
    if brand or head.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return f"{brand or 'JPEG XL'}, which cannot be read: convert it to JPEG or PNG"
    if b"<svg" in text:
        return "SVG, which is a drawing"
    return "HTML" if re.match(rb"<!doctype html|<html|<head|<body", text) else ""


def upright_size(data: bytes, tail: bytes = b"") -> tuple[int, int]:
    """Return height and width of the upright picture without decoding it. Raises BadPicture.

    `data` may be the beginning of its file. Then `tail` is the end of it, where a PNG may have its orientation.
    """
    opened = open_picture(data)
    width, height = opened.size
    orientation = orientation_of(opened)
    if orientation == 1 and opened.format == "PNG":
        orientation = late_orientation(tail or data)
    return (width, height) if is_sideways(orientation) else (height, width)
