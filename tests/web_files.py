"""Pictures and other bytes that a server answers with: good, damaged, hostile, forbidden."""

from __future__ import annotations

import gzip

import numpy as np
from PIL import Image

import profiles
from picture_files import encoded


def photo(seed: int = 0, width: int = 90, height: int = 60) -> Image.Image:
    """A smooth picture, different for each seed."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (4, 6, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def rotated_jpeg() -> bytes:
    """A JPEG that lies on its side and says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(photo(3, 90, 60), exif=exif)


def deep_png() -> bytes:
    """16 bits of grey, a ramp from black to white."""
    return encoded(Image.fromarray(np.linspace(0, 65535, 64 * 96).reshape(64, 96).astype(np.uint16)), "PNG")


def clear_png() -> bytes:
    """Red where it is opaque, else transparent black."""
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, :32] = (255, 0, 0, 255)
    return encoded(Image.fromarray(pixels), "PNG")


def many_scans() -> bytes:
    """A progressive JPEG whose last scan comes a thousand times."""
    data = encoded(photo(5), progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 1000 + data[-2:]


FILES: dict[str, tuple[bytes, str]] = {
    "good.jpg": (encoded(photo(1)), "image/jpeg"),
    "small.jpg": (encoded(photo(1, 8, 8)), "image/jpeg"),
    "copy.jpg": (encoded(photo(1)), "image/jpeg"),
    "huge.png": (encoded(Image.new("1", (20_000, 20_000)), "PNG"), "image/png"),
    "page.jpg": (b"<!DOCTYPE html><html><body>Not here</body></html>", "image/jpeg"),
    "cut.jpg": (encoded(photo(2, 300, 200))[:4000], "image/jpeg"),
    "scans.jpg": (many_scans(), "image/jpeg"),
    "empty.jpg": (b"", "image/jpeg"),
    "drawing.svg": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
    "moves.gif": (encoded(photo(6), "GIF", save_all=True, append_images=[photo(7)]), "image/gif"),
    "moves.webp": (encoded(photo(8), "WEBP", save_all=True, append_images=[photo(9)]), "image/webp"),
    "cmyk.jpg": (encoded(photo(10).convert("CMYK")), "image/jpeg"),
    "deep.png": (deep_png(), "image/png"),
    "turned.jpg": (rotated_jpeg(), "image/jpeg"),
    "clear.png": (clear_png(), "image/png"),
    "grün.jpg": (encoded(photo(11)), "image/jpeg"),
    "secret.jpg": (encoded(photo(12)), "image/jpeg"),
    "large.png": (encoded(Image.new("1", (2000, 2000)), "PNG"), "image/png"),
    "wide-gamut.jpg": (
        encoded(Image.new("RGB", (400, 400), (173, 62, 53)), quality=100, icc_profile=profiles.adobe_rgb()),
        "image/jpeg",
    ),
    "odd-profile.jpg": (
        encoded(Image.new("RGB", (400, 400), (200, 60, 49)), quality=100, icc_profile=b"not a profile"),
        "image/jpeg",
    ),
}
"""Path -> body and Content-Type of plain answers."""

BOMB = gzip.compress(b"\xff\xd8" + bytes(50_000_000), 1)

HEADERS = {
    "noai.jpg": {"X-Robots-Tag": "noai"},
    "noml.jpg": {"X-Robots-Tag": "noarchive, noml"},
    "other-noai.jpg": {"X-Robots-Tag": "otherbot: noai"},
    "our-noai.jpg": {"X-Robots-Tag": "majolica: noimageai"},
    "none.jpg": {"X-Robots-Tag": "none"},
    "reserved.jpg": {"TDM-Reservation": "1"},
}
"""Path -> headers that say what the picture may not be used for."""
