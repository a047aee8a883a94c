"""Make the picture that is stored from downloaded bytes: its header is checked, it is turned upright, converted to RGB,
scaled and hashed.
"""

from __future__ import annotations

import hashlib
import warnings
import zlib
from dataclasses import dataclass
from typing import Any

from PIL import Image

from majolica.config.fetch import PictureConfig
from majolica.data.fetch import status
from majolica.data.fetch.status import Failure
from majolica.data.pictures import faults
from majolica.data.pictures.encode import encode
from majolica.data.pictures.faults import BadPicture, to_one_line
from majolica.data.pictures.jpeg import check_scans, scan_jpeg
from majolica.data.pictures.memory import Reserve, jpeg_bytes, pillow_bytes, reserve_anything
from majolica.data.pictures.opening import WEB, decode_upright, open_picture
from majolica.data.pictures.orientation import is_sideways, orientation_of
from majolica.data.pictures.phash import phash

_GZIP = b"\x1f\x8b"
_MEMBERS = 100
"""The most members of gzip that are unpacked after the first, because each of them copies what follows it."""
_STORED = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
_STATUS = {
    faults.UNKNOWN: status.NOT_A_PICTURE,
    faults.TOO_LARGE: status.TOO_MANY_PIXELS,
    faults.OVER_BUDGET: status.TOO_MUCH_MEMORY,
}


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture as it is stored, and what is known of it."""

    data: bytes
    extension: str
    width: int
    height: int
    original_width: int
    """The size before scaling, of the upright picture."""
    original_height: int
    format: str
    """Format of the download."""
    sha256: str
    """Hash of the downloaded bytes."""
    phash: str
    note: str = ""
    """Why its colour profile was not used; "" if it was used, or if there is none."""


def set_up_decoders(config: PictureConfig) -> None:
    """Set Pillow's own limit for this process, which also catches frames that are larger than their file says."""
    Image.MAX_IMAGE_PIXELS = int(config.max_megapixels * 1e6)
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
    Image.preinit()
    Image.init()


def unpack(data: bytes | bytearray, encoding: str, most: int) -> bytes | bytearray:
    """Return `data` without its Content-Encoding. We ask for none, but some servers use one. Raises Failure."""
    plain = unpack_start(data, encoding, most + 1)
    if plain is not data and len(plain) > most:
        raise Failure(status.TOO_LARGE, f"unpacks to more than {most} bytes")
    return plain


def unpack_start(data: bytes | bytearray, encoding: str, most: int) -> bytes | bytearray:
    """Return `data` without its Content-Encoding, if it has one the first `most` bytes of it. Raises Failure."""
    if encoding in ("", "identity"):
        return data
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Failure(status.BAD_RESPONSE, f"Content-Encoding {encoding[:40]} was not asked for")
    try:
        return _inflate(data, most, encoding == "deflate")
    except zlib.error as error:
        raise Failure(status.BAD_RESPONSE, f"Content-Encoding {encoding}: {error}") from None


def _inflate(data: bytes | bytearray, most: int, may_be_bare: bool) -> bytes:
    """Return the first `most` bytes of what gzip, zlib or bare deflate data unpack to. Raises zlib.error.

    Some servers send gzip in several members, one after the other, and some send deflate data without zlib's header.
    """
    try:
        inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # this accepts gzip and zlib
        plain = inflate.decompress(data, most)
    except zlib.error:
        if not may_be_bare:
            raise
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, most)
    pieces, size, rest = [plain], len(plain), inflate.unused_data
    for _ in range(_MEMBERS):
        if size >= most or rest[:2] != _GZIP:
            break
        inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
        pieces.append(inflate.decompress(rest, most - size))
        size, rest = size + len(pieces[-1]), inflate.unused_data
    return b"".join(pieces)


def make_picture(
    data: bytes | bytearray,
    config: PictureConfig,
    formats: tuple[str, ...] = WEB,
    reserve: Reserve = reserve_anything,
) -> StoredPicture:
    """Decode, scale and encode a picture as `config` says. Raises Failure if it cannot be used.

    `reserve` is called with the memory in bytes that decoding takes, before it begins.
    """
    if not data:
        raise Failure(status.EMPTY, "no bytes")
    try:
        return _make(data, _open(data, config, formats), config, reserve)
    except Failure:
        raise
    except BadPicture as bad:
        raise Failure(_STATUS.get(bad.reason, status.DAMAGED), bad.detail) from None
    except Exception as error:  # decoders raise any exception on damaged bytes
        raise Failure(status.DAMAGED, to_one_line(error)) from None


def _make(data: bytes | bytearray, opened: Any, config: PictureConfig, reserve: Reserve) -> StoredPicture:
    kind = (
        "JPEG" if opened.format == "MPO" else str(opened.format)
    )  # MPO is a JPEG that is followed by further pictures
    if kind != "JPEG":
        reserve(pillow_bytes(opened.width * opened.height))
        opened.load()  # in some formats the orientation comes after the pixels
    sideways = is_sideways(orientation_of(opened))
    full: tuple[int, int] = opened.size[::-1] if sideways else opened.size
    size = _target(full, config)
    plain = opened.mode in ("RGB", "L") and "transparency" not in opened.info and orientation_of(opened) == 1
    fitting = kind in _STORED if config.resize == "original" else _STORED.get(kind) == config.format
    keep = config.keep and plain and fitting and size == full and not getattr(opened, "is_animated", False)
    if kind == "JPEG":
        # A JPEG that is kept is decoded only for its hash, and an eighth is enough; every byte of it is still read.
        least = (64, 64) if keep else (2 * size[0], 2 * size[1])
        _reserve_jpeg(data, opened, least[::-1] if sideways else least, reserve)
    picture, note = decode_upright(opened)
    if not keep and picture.size != size:
        # Bicubic takes 1.6 times as long, and the difference is as small as that of JPEG: docs/adr/031-fetch.md.
        picture = picture.resize(size, Image.Resampling.HAMMING, reducing_gap=3.0)
    # If every pixel is kept, a lossless picture in a format that is not of the web is stored without loss.
    lossless = kind == "TIFF" and config.resize == "original" and plain
    extension = _STORED[kind] if keep else "png" if lossless else config.format
    stored = bytes(data) if keep else encode(picture, extension, config.quality)
    digest = hashlib.sha256(data).hexdigest()
    return StoredPicture(stored, extension, *size, *full, kind.lower(), digest, phash(picture), note)


def _reserve_jpeg(data: bytes | bytearray, opened: Any, least: tuple[int, int], reserve: Reserve) -> None:
    """Choose the fraction at which a JPEG is decoded, not below `least`, and reserve the memory for it."""
    head = scan_jpeg(bytes(data))
    check_scans(data, head)
    pixels = opened.width * opened.height
    whole = opened.width
    opened.draft(opened.mode, least)
    part = max(1, round(whole / opened.width))
    inks = pillow_bytes(pixels // part**2) if opened.mode == "CMYK" else 0
    reserve(max(inks, jpeg_bytes(pixels, part, head.progressive)))


def _open(data: bytes | bytearray, config: PictureConfig, formats: tuple[str, ...]) -> Any:
    opened = open_picture(data, formats)
    pixels, shorter, longer = opened.width * opened.height, min(opened.size), max(opened.size)
    if pixels > config.max_megapixels * 1e6:
        raise Failure(status.TOO_MANY_PIXELS, f"{opened.width} x {opened.height}")
    if shorter < config.min_side:
        raise Failure(status.TOO_SMALL, f"{opened.width} x {opened.height}")
    if config.max_aspect and longer > config.max_aspect * shorter:
        raise Failure(status.ASPECT, f"{opened.width} x {opened.height}")
    return opened


def _target(full: tuple[int, int], config: PictureConfig) -> tuple[int, int]:
    """Return the size to store: the shorter side is at most `side`, and the proportions stay."""
    width, height = full
    shorter = min(full)
    if config.resize == "original" or shorter <= config.side:
        return full
    return max(config.side, round(width * config.side / shorter)), max(
        config.side, round(height * config.side / shorter)
    )
