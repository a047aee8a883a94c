"""From downloaded bytes to the picture that is stored: checked by its header, upright, RGB, scaled, hashed."""

from __future__ import annotations

import hashlib
import io
import warnings
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from majolica.config.fetch import PictureConfig
from majolica.data.fetch import status
from majolica.data.fetch.phash import phash
from majolica.data.fetch.status import Failure

# Formats of the web; each further decoder is a further way in for hostile files.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by its EXIF orientation."""
_STORED = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
_SIDEWAYS = tuple(_TURNS[value] for value in (5, 6, 7, 8))
MOST_SCANS = 100
"""Progressive JPEGs have about ten. Each scan decodes the whole picture again, in as little as 100 bytes."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it will be stored, and what is known of it."""

    data: bytes
    extension: str
    width: int
    height: int
    original_width: int
    """Before scaling, after turning it upright."""
    original_height: int
    format: str
    """Of the download."""
    sha256: str
    """Of the downloaded bytes."""
    phash: str


def set_up_decoders(config: PictureConfig) -> None:
    """Pillow's own limit for this whole process: it also guards frames that are larger than their file says."""
    Image.MAX_IMAGE_PIXELS = int(config.max_megapixels * 1e6)
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
    Image.preinit()
    Image.init()


def unpacked(data: bytes | bytearray, encoding: str, most: int) -> bytes | bytearray:
    """`data` without its Content-Encoding. We ask for none, but servers answer with some. Raises Failure."""
    if encoding in ("", "identity"):
        return data
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Failure(status.BAD_RESPONSE, f"Content-Encoding {encoding[:40]} was not asked for")
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, whichever it is
    try:
        plain = inflate.decompress(data, most + 1)
    except zlib.error as error:
        raise Failure(status.BAD_RESPONSE, f"Content-Encoding {encoding}: {error}") from None
    if len(plain) > most:
        raise Failure(status.TOO_LARGE, f"unpacks to more than {most} bytes")
    return plain


def make_picture(data: bytes | bytearray, config: PictureConfig) -> Picture:
    """Decode, scale and encode as `config` says. Raises Failure for what is no usable picture."""
    if not data:
        raise Failure(status.EMPTY, "no bytes")
    opened = _opened(data, config)
    kind = "JPEG" if opened.format == "MPO" else str(opened.format)  # a JPEG with further pictures behind it
    turn = _turn(opened)
    full: tuple[int, int] = opened.size[::-1] if turn in _SIDEWAYS else opened.size
    size = _target(full, config)
    plain = opened.mode in ("RGB", "L") and "transparency" not in opened.info and turn is None
    fitting = kind in _STORED if config.resize == "original" else _STORED.get(kind) == config.format
    keep = config.keep and plain and fitting and size == full and not getattr(opened, "is_animated", False)
    try:
        # For its hash alone an eighth of a kept JPEG is enough; every byte of it is still read.
        least = (64, 64) if keep else (2 * size[0], 2 * size[1])
        picture = _decoded(opened, turn, least[::-1] if turn in _SIDEWAYS else least)
        if not keep and picture.size != size:
            # Bicubic takes 1.6 times as long for a difference of the size of JPEG's own: docs/adr/031-fetch.md.
            picture = picture.resize(size, Image.Resampling.HAMMING, reducing_gap=3.0)
        stored = bytes(data) if keep else _encoded(picture, config)
        extension = _STORED[kind] if keep else config.format
        look = phash(picture)
    except Exception as error:  # decoders raise whatever they like on damaged bytes
        raise Failure(status.DAMAGED, _line(error)) from None
    digest = hashlib.sha256(data).hexdigest()
    return Picture(stored, extension, size[0], size[1], full[0], full[1], kind.lower(), digest, look)


def _opened(data: bytes | bytearray, config: PictureConfig) -> Any:
    try:
        opened = Image.open(io.BytesIO(data), formats=_FORMATS)
        pixels, shorter, longer = opened.width * opened.height, min(opened.size), max(opened.size)
    except Image.DecompressionBombError as error:
        raise Failure(status.TOO_MANY_PIXELS, _line(error)) from None
    except UnidentifiedImageError:
        raise Failure(status.NOT_A_PICTURE, _guess(bytes(data[:512]))) from None
    except Exception as error:
        raise Failure(status.DAMAGED, _line(error)) from None
    if pixels > config.max_megapixels * 1e6:
        raise Failure(status.TOO_MANY_PIXELS, f"{opened.width} x {opened.height}")
    if shorter < config.min_side:
        raise Failure(status.TOO_SMALL, f"{opened.width} x {opened.height}")
    if config.max_aspect and longer > config.max_aspect * shorter:
        raise Failure(status.ASPECT, f"{opened.width} x {opened.height}")
    # In the data of a scan every byte FF is followed by 00, so these two bytes do begin scans, or are in metadata.
    if opened.format in ("JPEG", "MPO") and data.count(b"\xff\xda") > MOST_SCANS:
        raise Failure(status.DAMAGED, f"more than {MOST_SCANS} scans")
    return opened


def _target(full: tuple[int, int], config: PictureConfig) -> tuple[int, int]:
    """The size to store: the shorter side is at most `side`, the other keeps the proportion."""
    width, height = full
    shorter = min(full)
    if config.resize == "original" or shorter <= config.side:
        return full
    return max(config.side, round(width * config.side / shorter)), max(
        config.side, round(height * config.side / shorter)
    )


def _turn(picture: Any) -> Image.Transpose | None:
    try:
        return _TURNS.get(picture.getexif().get(0x0112, 1))
    except Exception:  # damaged EXIF is no EXIF
        return None


def _decoded(opened: Any, turn: Image.Transpose | None, least: tuple[int, int]) -> Image.Image:
    """The first frame as upright RGB over white, 8 bits. A large JPEG may come smaller, not under `least`."""
    if opened.format in ("JPEG", "MPO"):
        opened.draft(opened.mode, least)
    opened.load()
    picture: Image.Image = opened if turn is None else opened.transpose(turn)
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    if picture.mode in ("I", "F"):
        return Image.fromarray(np.clip(np.asarray(picture) / 257, 0, 255).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _encoded(picture: Image.Image, config: PictureConfig) -> bytes:
    out = io.BytesIO()
    picture.info = {}  # no EXIF (where, when, by whom), no comments, no colour profile
    if config.format == "jpg":
        picture.save(out, "JPEG", quality=config.quality)
    elif config.format == "webp":
        picture.save(out, "WEBP", quality=config.quality)
    else:
        picture.save(out, "PNG", compress_level=3)
    return out.getvalue()


def _guess(head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text:
        return "SVG, which is a drawing"
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "HTML"
    return f"begins with {head[:8].hex()}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
