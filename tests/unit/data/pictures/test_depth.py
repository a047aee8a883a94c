"""More than 8 bits: what is white in the file is white, and nothing turns all white or all black."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from majolica.commands.pictures import load_pictures
from majolica.config.fetch import PictureConfig
from majolica.config.shard import ShardConfig
from majolica.data.fetch.picture import make_picture
from majolica.data.folder.gather import gather
from majolica.data.pictures.decode import decode
from majolica.data.store.shards import ShardSet
from picture_files import encoded

RAMP = np.linspace(0, 255, 64).round().astype(np.uint8)[None].repeat(20, 0)


def grey(image: NDArray[np.uint8]) -> NDArray[np.int16]:
    assert (image == image[..., :1]).all()
    return image[..., 0].astype(np.int16)


def tiff12(values: NDArray[np.uint16]) -> bytes:
    """A TIFF of 12 bits a pixel, which Pillow reads and cannot write."""
    height, width = values.shape
    pairs = values.reshape(-1, 2).astype(int)
    packed = np.stack((pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255), -1)
    body = packed.astype(np.uint8).tobytes()
    tags = {256: width, 257: height, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: len(body)}
    directory = struct.pack("<H", len(tags))
    directory += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory + bytes(4)


WIDE = RAMP.astype(np.int64)
CASES = {
    "PNG of 16 bits": encoded((RAMP.astype(np.uint16) * 257), "PNG"),
    "TIFF of 16 bits": encoded((RAMP.astype(np.uint16) * 257), "TIFF"),
    "TIFF of 12 bits": tiff12((RAMP.astype(np.float64) / 255 * 4095).round().astype(np.uint16)),
    "PGM of 16 bits": encoded((RAMP.astype(np.uint16) * 257), "PPM"),
    "32 bits that use 8": encoded(RAMP.astype(np.int32), "TIFF"),
    "32 bits that use 16": encoded(RAMP.astype(np.int32) * 257, "TIFF"),
    "32 bits that use all": encoded((WIDE * (2**31 - 1) // 255).astype(np.int32), "TIFF"),
    "signed around 0": encoded(((WIDE - 128) * 1000).astype(np.int32), "TIFF"),
    "floats to 1": encoded(RAMP.astype(np.float32) / 255, "TIFF"),
    "floats to 255": encoded(RAMP.astype(np.float32), "TIFF"),
    "floats to 65535": encoded(RAMP.astype(np.float32) * 257, "TIFF"),
    "floats below 0": encoded(RAMP.astype(np.float32) / 100 - 1, "TIFF"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_ramp_stays_the_ramp(name: str) -> None:
    assert np.abs(grey(decode(CASES[name]).image) - RAMP).max() <= 1


@pytest.mark.parametrize("name", CASES)
def test_classify_embed_shard_and_fetch_see_the_same(name: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "ramp.tif"
    path.write_bytes(CASES[name])
    expected = decode(CASES[name]).image
    used = load_pictures((path,), 20)[0].permute(1, 2, 0).numpy()
    assert np.abs(used.astype(int) - expected[:, 22:42]).max() <= 1
    gather(ShardConfig(str(tmp_path / "in"), str(tmp_path / "out"), caption=("name",), quality=100))
    stored = ShardSet(tmp_path / "out").read(0).image
    assert np.abs(decode(stored).image.astype(int) - expected).max() <= 3  # a JPEG in between
    if CASES[name].startswith(b"\x89PNG"):
        made = make_picture(CASES[name], PictureConfig(format="png"))
        assert (np.asarray(Image.open(io.BytesIO(made.data))) == expected).all()


def test_a_dark_picture_of_16_bits_stays_dark() -> None:
    """White is what the format says, not what the brightest pixel happens to be."""
    dark = np.full((8, 8), 200, np.uint16)
    for kind in ("PNG", "TIFF", "PPM"):
        assert decode(encoded(dark, kind)).image.max() == 1


def test_white_is_zero_in_some_tiffs() -> None:
    data = encoded(255 * 257 - RAMP.astype(np.uint16) * 257, "TIFF", tiffinfo={262: 0})
    assert Image.open(io.BytesIO(data)).tag_v2[262] == 0  # type: ignore[attr-defined]
    assert np.abs(grey(decode(data).image) - RAMP).max() <= 1


def test_what_is_not_finite_and_what_is_flat() -> None:
    odd = RAMP.astype(np.float32) / 255
    odd[0, :3] = np.nan, np.inf, -np.inf
    image = decode(encoded(odd, "TIFF")).image
    assert (image[0, :3, 0] == (0, 255, 0)).all()
    assert np.abs(grey(image[1:]) - RAMP[1:]).max() <= 1
    for flat in (np.zeros((4, 4), np.float32), np.full((4, 4), np.nan, np.float32), np.full((4, 4), -7, np.int32)):
        assert decode(encoded(flat, "TIFF")).image.max() == 0


def test_16_bits_with_a_transparent_value() -> None:
    values = RAMP.astype(np.uint16) * 257
    values[:10] = 4660
    image = decode(encoded(values, "PNG", transparency=4660)).image
    assert image[:10].min() == 255
    assert np.abs(grey(image[10:]) - RAMP[10:]).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_modes_of_8_bits(mode: str) -> None:
    black_and_white = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).resize((16, 16), 0)
    image = decode(encoded(black_and_white.convert("RGB").convert(mode), "PNG")).image
    assert (grey(image) == np.asarray(black_and_white)).all()


def test_a_transparent_part_is_white() -> None:
    clear = Image.new("LA", (8, 8), (0, 0))
    assert decode(encoded(clear, "PNG")).image.min() == 255
    palette = Image.new("P", (8, 8), 3)
    assert decode(encoded(palette, "GIF", transparency=3)).image.min() == 255
    one = Image.new("RGB", (8, 8), (9, 9, 9))
    assert decode(encoded(one, "PNG", transparency=(9, 9, 9))).image.min() == 255
