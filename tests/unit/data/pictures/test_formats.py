"""Formats and files as they come: the first frame, inks, stray bytes, cut files, and formats that nobody here reads."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, features

from majolica.config.fetch import PictureConfig
from majolica.data.fetch.picture import make_picture
from majolica.data.fetch.status import Failure
from majolica.data.pictures import opening
from majolica.data.pictures.decode import decode
from majolica.data.pictures.faults import DAMAGED, BadPicture
from majolica.data.pictures.jpeg import scan_jpeg
from majolica.data.pictures.opening import LOCAL, WEB
from picture_files import encoded

SHOWN = (200, 60, 49)
RED, BLUE = Image.new("RGB", (64, 64), SHOWN), Image.new("RGB", (64, 64), "blue")
PLAIN = PictureConfig(min_side=1, keep=False)


MOVING = {"save_all": True, "append_images": [BLUE]}
BIG = b"Exif\0\0II*\0\x08\0\0\0\0\0"
JPEG = encoded(RED, "JPEG", quality=100)
GOOD = {
    "GIF that moves": encoded(RED, "GIF", **MOVING),
    "WebP that moves": encoded(RED, "WEBP", lossless=True, **MOVING),
    "APNG": encoded(RED, "PNG", **MOVING),
    "MPO": encoded(RED, "MPO", quality=100, **MOVING),
    "JPEG of inks, inverted as Adobe does": encoded(RED.convert("CMYK"), "JPEG", quality=100),
    "TIFF of inks": encoded(RED.convert("CMYK"), "TIFF"),
    "TIFF of luma and chroma": encoded(RED.convert("YCbCr"), "TIFF"),
    "JPEG 2000": encoded(RED, "JPEG2000"),
    "ICO": encoded(RED, "ICO"),
    "TGA": encoded(RED, "TGA"),
    "BMP": encoded(RED, "BMP"),
    "JPEG with bytes behind it": JPEG + b"junk" * 100,
    "JPEG with much EXIF": encoded(RED, "JPEG", exif=BIG + bytes(65_000), quality=100),
    "PNG with much EXIF": encoded(RED, "PNG", exif=BIG + bytes(5_000_000)),
    **({"AVIF that moves": encoded(RED, "AVIF", quality=100, **MOVING)} if features.check("avif") else {}),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_comes_is_the_first_frame(name: str) -> None:
    assert decode(GOOD[name]).image.reshape(-1, 3).mean(0) == pytest.approx(SHOWN, abs=3)
    made = make_picture(GOOD[name], PLAIN, LOCAL)
    assert np.asarray(Image.open(io.BytesIO(made.data))).reshape(-1, 3).mean(0) == pytest.approx(SHOWN, abs=3)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xe1\xff", JPEG[:-100], JPEG[:20], JPEG[:-2],
     encoded(RED, "PNG")[:-40], encoded(RED, "WEBP")[:-4], encoded(RED, "GIF")[:40], encoded(RED, "TIFF")[:-200],
     bytes(1000), encoded(RED, "EPS")],
)  # fmt: skip
def test_what_is_cut_or_none_is_refused_everywhere(data: bytes) -> None:
    with pytest.raises(BadPicture, match=DAMAGED):
        decode(data)
    with pytest.raises(BadPicture, match=DAMAGED):
        decode(data, (16, 16))
    with pytest.raises(Failure):
        make_picture(data, PLAIN, LOCAL)


def test_libjpeg_is_stricter_than_pillow() -> None:
    """A JPEG with bytes that libjpeg-turbo warns of is not lost to training, where classify shows it."""
    scan = JPEG.index(b"\xff\xda")
    stray = JPEG[:scan] + b"\0\0\0" + JPEG[scan:]
    assert np.abs(decode(stray).image.reshape(-1, 3).mean(0) - SHOWN).max() <= 3


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x18ftypmif1", "HEIC"),
        (b"\xff\x0a", "JPEG XL"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<!DOCTYPE html>", "HTML"),
    ],
)
def test_a_format_that_is_not_read_is_named(head: bytes, word: str) -> None:
    with pytest.raises(BadPicture, match=f"picture is {word}"):
        decode(head + bytes(100))


def test_a_pillow_without_avif_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening.features, "check", lambda name: False)
    monkeypatch.setattr(opening, "_select_supported", lambda formats: tuple(name for name in formats if name != "AVIF"))
    for brand in (b"avif", b"avis"):
        with pytest.raises(BadPicture, match=r"AVIF, which this Pillow cannot read: install Pillow 11\.3"):
            decode(b"\0\0\0\x1cftyp" + brand + bytes(100))


def test_a_pillow_that_lacks_a_format_reads_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    opening._select_supported.cache_clear()
    monkeypatch.delitem(Image.OPEN, "QOI")
    try:
        assert decode(GOOD["TGA"]).size == (64, 64)
    finally:
        opening._select_supported.cache_clear()
    assert set(WEB) < set(LOCAL)


def test_scanning_random_bytes_ends() -> None:
    rng = np.random.default_rng(0)
    for size in (0, 1, 2, 3, 5, 50, 2000):
        for _ in range(50):
            scan_jpeg(b"\xff\xd8" + rng.bytes(size))
            scan_jpeg(b"\xff\xd8" + b"\xff\xe2\0\0" * size)
    for cut in range(0, len(JPEG), 7):
        scan_jpeg(JPEG[:cut])


def test_many_scans_are_refused_in_training_too() -> None:
    data = encoded(RED, "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    with pytest.raises(BadPicture, match=DAMAGED):
        decode(data[:last] + data[last:-2] * 1000 + data[-2:])
    assert scan_jpeg(data).many_scans and not scan_jpeg(JPEG).many_scans


def test_an_empty_file_is_called_empty() -> None:
    with pytest.raises(BadPicture) as caught:
        decode(b"")
    assert (caught.value.detail, str(caught.value)) == ("the file is empty", DAMAGED)
