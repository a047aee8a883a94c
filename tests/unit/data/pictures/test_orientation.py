"""Upright in every format and every way in, by EXIF or XMP; damaged metadata costs nothing."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, features

from majolica.commands.pictures import load_pictures
from majolica.config.data import DataConfig
from majolica.data.loading.loader import Loader, LoaderSizes
from majolica.data.loading.split import load_split
from majolica.data.pictures.decode import decode
from majolica.data.pictures.opening import upright_size
from majolica.data.pictures.orientation import TURNS, orientation_of, read_orientation, turn_pixels
from majolica.data.store.dimensions import HEAD
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet
from picture_files import encoded

KINDS = ["JPEG", "MPO", "PNG", "WEBP", "TIFF", *(["AVIF"] if features.check("avif") else [])]
BACK = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
"""Orientation -> the one whose turn lays an upright picture down like that."""


def upright(width: int = 48, height: int = 32) -> Image.Image:
    """Four flat colours, so that every turn is another picture."""
    return Image.fromarray(
        np.array([[[250, 0, 0], [0, 250, 0]], [[0, 0, 250], [250, 250, 250]]], np.uint8)
    ).resize((width, height), Image.Resampling.NEAREST)  # fmt: skip


def lying(value: int, kind: str = "JPEG", picture: Image.Image | None = None) -> bytes:
    """`upright()` as a camera stores it that was held as `value` says."""
    picture = picture or upright()
    exif = Image.Exif()
    exif[0x0112] = value
    laid = picture.transpose(TURNS[BACK[value]]) if value > 1 else picture
    options: dict[str, Any] = {"quality": 100} if kind in ("JPEG", "WEBP", "AVIF") else {}
    if kind == "MPO":
        options = {"quality": 100, "save_all": True, "append_images": [Image.new("RGB", (8, 8))]}
    return encoded(laid, kind, exif=exif, **options)


def difference(found: Any, expected: Image.Image) -> float:
    found = np.asarray(found, float)
    assert found.shape == (expected.height, expected.width, 3)
    return float(np.abs(found - np.asarray(expected, float)).mean())


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("kind", KINDS)
def test_every_format_comes_upright(kind: str, value: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        decoded = decode(lying(value, kind))
    assert decoded.size == (32, 48)
    assert difference(decoded.image, upright()) < 6


@pytest.mark.parametrize("value", [1, 5, 6, 7, 8])
def test_a_scaled_decode_knows_which_side_is_which(value: int) -> None:
    """A frame twice as high as wide: by the sides as they are stored a quarter of the pixels would do."""
    data = lying(value, picture=upright(512, 1024))
    decoded = decode(data, (256, 128))
    assert decoded.size == (1024, 512)
    assert decoded.image.shape == (512, 256, 3)
    assert difference(decoded.image, upright(256, 512)) < 3


def train(data: bytes, folder: Path, buckets: bool) -> NDArray[Any]:
    config = DataConfig(shards=str(folder), threads=0, buckets=buckets)
    with Loader(config, 1, LoaderSizes(32, patch=8), 0) as loader:
        return next(loader).images_B3HW[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("value", range(1, 9))
def test_training_evaluation_and_use(value: int, tmp_path: Path) -> None:
    data = lying(value, picture=upright(96, 48))
    write_shards(tmp_path / "s", [Record(data, "jpg", "four", {})])
    (tmp_path / "a.jpg").write_bytes(data)
    square = upright(32, 32)
    ways: list[Callable[[], Any]] = [
        lambda: train(data, tmp_path / "s", buckets=False),
        lambda: load_split(tmp_path / "s", resolution=32)[0][0].permute(1, 2, 0),
        lambda: load_pictures((tmp_path / "a.jpg",), 32)[0].permute(1, 2, 0),
    ]
    for way in ways:
        assert difference(way(), square) < 12
    wide = train(data, tmp_path / "s", buckets=True)  # its bucket is that of the upright picture
    assert wide.shape[1] == pytest.approx(2 * wide.shape[0], abs=16)
    assert ShardSet(tmp_path / "s").dimensions().tolist() == [[48, 96]]


def test_dimensions_of_an_older_version_are_measured_again(tmp_path: Path) -> None:
    write_shards(tmp_path, [Record(lying(6), "jpg", "four", {})])
    tar = next(tmp_path.glob("*.tar"))
    old = b"MJLDIM01" + struct.pack("<qq", tar.stat().st_size, 1) + np.array([48, 32], np.uint16).tobytes()
    tar.with_suffix(".dims").write_bytes(old)
    assert ShardSet(tmp_path).dimensions().tolist() == [[32, 48]]


def test_dimensions_of_a_tar_written_anew_are_measured_again(tmp_path: Path) -> None:
    """Its size is the same, because tars are filled up."""
    for width, height in ((48, 32), (32, 48)):
        write_shards(tmp_path, [Record(encoded(upright(width, height), "PNG"), "png", "four", {})])
        assert ShardSet(tmp_path).dimensions().tolist() == [[height, width]]


def test_dimensions_of_a_png_with_its_orientation_behind_its_pixels(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(noise, "PNG", exif=exif)
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    late = data[:start] + data[end:-12] + data[start:end] + data[-12:]  # the last 12 bytes are IEND
    assert len(late) > HEAD and decode(late).size == upright_size(late) == (96, 64)
    write_shards(tmp_path, [Record(late, "png", "four", {})])
    assert ShardSet(tmp_path).dimensions().tolist() == [[96, 64]]


def test_turning_pixels_is_turning_pictures() -> None:
    image = np.asarray(upright(5, 3))
    for value, turn in TURNS.items():
        assert (turn_pixels(image, value) == np.asarray(Image.fromarray(image).transpose(turn))).all()
    assert turn_pixels(image, 1) is image


def test_reading_metadata() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "camera", 6
    for order in ("II", "MM"):
        exif.endian = "<" if order == "II" else ">"
        assert read_orientation(exif.tobytes()[6:]) == 6
    xmp = b'<rdf:Description tiff:Orientation="8"/>'
    assert read_orientation(b"", xmp) == 8
    assert read_orientation(exif.tobytes()[6:], xmp) == 6
    exif[0x0112] = 9
    assert read_orientation(exif.tobytes()[6:]) == 1
    rng = np.random.default_rng(0)
    whole = exif.tobytes()[6:]
    for cut in range(len(whole)):
        assert read_orientation(whole[:cut]) == 1
    for _ in range(200):
        assert read_orientation(whole[:8] + rng.bytes(40)) in range(1, 9)


def test_damaged_exif_is_no_exif() -> None:
    out = io.BytesIO()
    upright().save(out, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + bytes(50))
    assert orientation_of(Image.open(io.BytesIO(out.getvalue()))) == 1
    assert difference(decode(out.getvalue()).image, upright()) == 0
