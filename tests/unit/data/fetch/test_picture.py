"""From bytes to what is stored: sizes, kept files, hashes."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dct

from majolica.config.fetch import PictureConfig
from majolica.data.fetch.picture import make_picture, set_up_decoders, unpack
from majolica.data.fetch.status import Failure
from majolica.data.pictures.phash import phash
from picture_files import encoded


@pytest.fixture(autouse=True)
def decoders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    set_up_decoders(PictureConfig())


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 255, (5, 7, 3), dtype=np.uint8)).resize((width, height), 3)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((900, 600), (384, 256)), ((600, 900), (256, 384)), ((257, 256), (257, 256)), ((100, 30), (100, 30)),
     ((3000, 256), (3000, 256)), ((2001, 1000), (512, 256)), ((1024, 1024), (256, 256))],
)  # fmt: skip
def test_sizes(size: tuple[int, int], expected: tuple[int, int]) -> None:
    made = make_picture(encoded(photo(*size)), PictureConfig())
    assert (made.width, made.height) == expected == Image.open(io.BytesIO(made.data)).size
    assert (made.original_width, made.original_height) == size


def test_a_scaled_jpeg_is_the_jpeg_scaled() -> None:
    """Decoding at a fraction keeps twice the size, so that it is not seen."""
    picture = photo(1600, 1200)
    made = make_picture(encoded(picture, quality=95), PictureConfig())
    shown = np.asarray(Image.open(io.BytesIO(made.data)), float)
    exact = np.asarray(picture.resize((341, 256), Image.Resampling.BICUBIC), float)
    assert 10 * np.log10(255**2 / ((shown - exact) ** 2).mean()) > 38


@pytest.mark.parametrize("format", ["jpg", "webp"])
def test_quality_is_that_of_what_is_encoded_again(format: str) -> None:
    data = encoded(photo(900, 600))
    fine, coarse = (make_picture(data, PictureConfig(format=format, quality=quality)).data for quality in (95, 40))
    assert len(coarse) < 0.7 * len(fine)
    assert make_picture(data, PictureConfig(resize="original", quality=40)).data == data


def test_what_needs_no_change_is_kept() -> None:
    config = PictureConfig()
    small = encoded(photo(200, 100))
    assert make_picture(small, config).data == small
    assert make_picture(small, PictureConfig(keep=False)).data != small
    assert make_picture(small, PictureConfig(format="webp")).extension == "webp"
    png = encoded(photo(200, 100), "PNG")
    assert make_picture(png, config).extension == "jpg"
    original = PictureConfig(resize="original")
    for kind, extension in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp")):
        data = encoded(photo(700, 500), kind)
        made = make_picture(data, original)
        assert (made.data, made.extension, made.width, made.height) == (data, extension, 700, 500)
    exif = Image.Exif()
    exif[0x0112] = 8
    turned = make_picture(encoded(photo(700, 500), exif=exif), original)
    assert (turned.width, turned.height) == (500, 700)
    assert not Image.open(io.BytesIO(turned.data)).getexif()
    for data in (
        encoded(photo(64, 64).convert("CMYK")),
        encoded(photo(64, 64).convert("RGBA"), "PNG"),
        encoded(photo(64, 64), "GIF"),
        encoded(photo(64, 64), "WEBP", save_all=True, append_images=[photo(64, 64, 1)]),
        encoded(photo(64, 64).convert("P"), "PNG"),
        encoded(photo(64, 64), "BMP"),
    ):
        made = make_picture(data, original)
        assert made.data != data and Image.open(io.BytesIO(made.data)).mode == "RGB" and made.extension == "jpg"


@pytest.mark.parametrize("value", range(1, 9))
def test_every_orientation_comes_upright(value: int) -> None:
    picture = photo(320, 200)
    exif = Image.Exif()
    exif[0x0112] = value
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what lays an upright picture down
    lying = picture.transpose(Image.Transpose(back[value])) if value > 1 else picture
    made = make_picture(encoded(lying, "PNG", exif=exif), PictureConfig(side=100))
    shown = np.asarray(Image.open(io.BytesIO(made.data)), float)
    assert np.abs(shown - np.asarray(picture.resize((160, 100), 3), float)).mean() < 4


def test_limits() -> None:
    config = PictureConfig(max_megapixels=0.01, min_side=20, max_aspect=3.0)
    for size, word in (((101, 100), "too_many_pixels"), ((19, 40), "too_small"), ((90, 25), "aspect")):
        with pytest.raises(Failure) as told:
            make_picture(encoded(photo(*size)), config)
        assert told.value.status == word
    make_picture(encoded(photo(100, 100)), config)


def test_truncated_anywhere_is_damaged_or_no_picture() -> None:
    for data in (encoded(photo(300, 200)), encoded(photo(300, 200), "PNG"), encoded(photo(300, 200), "WEBP")):
        for cut in (1, 10, 100, len(data) // 2, len(data) - 30):
            for config in (PictureConfig(), PictureConfig(side=64)):
                with pytest.raises(Failure) as told:
                    make_picture(data[:cut], config)
                assert told.value.status in ("damaged", "not_a_picture")


def test_hash_is_the_documented_one() -> None:
    for seed in range(5):
        picture = photo(300, 200, seed)
        grey = np.asarray(picture.convert("L").resize((32, 32), Image.Resampling.LANCZOS), float)
        low = dct(dct(grey, axis=0), axis=1)[:8, :8]
        bits = "".join("1" if value > np.median(low) else "0" for value in low.ravel())
        assert phash(picture) == f"{int(bits, 2):016x}"


def test_hash_sees_through_scaling_and_compression() -> None:
    picture = photo(1200, 800)
    hashes = {phash(photo(300, 200, seed)) for seed in range(20)}
    assert len(hashes) == 20
    made = [
        make_picture(encoded(picture, kind), PictureConfig(side=side))
        for kind in ("JPEG", "PNG", "WEBP")
        for side in (64, 256)
    ]
    made.append(make_picture(encoded(picture), PictureConfig(resize="original")))  # hashed from an eighth
    differing = [(int(made[0].phash, 16) ^ int(other.phash, 16)).bit_count() for other in made]
    assert max(differing) <= 2
    assert made[0].sha256 == hashlib.sha256(encoded(picture)).hexdigest()


def test_content_encodings() -> None:
    data = bytes(range(256)) * 10
    for encoding, sent in (
        ("", data),
        ("identity", data),
        ("gzip", gzip.compress(data)),
        ("gzip", gzip.compress(data[:700]) + gzip.compress(data[700:])),
        ("gzip", gzip.compress(data) + bytes(9)),
        ("deflate", zlib.compress(data)),
        ("deflate", zlib.compress(data, wbits=-zlib.MAX_WBITS)),
    ):
        assert unpack(sent, encoding, 10_000) == data
    for encoding, sent, word in (
        ("gzip", gzip.compress(data), "too_large"),
        ("gzip", gzip.compress(data[:999]) + gzip.compress(data[999:]), "too_large"),
        ("gzip", gzip.compress(b"") * 5 + gzip.compress(data), "too_large"),
        ("deflate", zlib.compress(data, wbits=-zlib.MAX_WBITS), "too_large"),
        ("deflate", b"\xff" * 50, "bad_response"),
        ("gzip", b"not gzip at all", "bad_response"),
        ("br", data, "bad_response"),
    ):
        with pytest.raises(Failure) as told:
            unpack(sent, encoding, 1000)
        assert told.value.status == word
