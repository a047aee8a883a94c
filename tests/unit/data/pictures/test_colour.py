"""A profile is carried out wherever pictures are opened; one that is of no use costs no picture."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, features

import profiles
from majolica.commands.pictures import load_pictures
from majolica.config.data import DataConfig
from majolica.config.fetch import PictureConfig
from majolica.config.shard import ShardConfig
from majolica.data.fetch.picture import make_picture
from majolica.data.folder.gather import gather
from majolica.data.inspect.sheet import thumbnail
from majolica.data.loading.loader import Loader, LoaderSizes
from majolica.data.loading.split import load_split
from majolica.data.pictures import colour
from majolica.data.pictures.decode import decode
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet
from picture_files import encoded

SHOWN = (200, 60, 49)
"""What viewers show, as sRGB."""
ADOBE, PROPHOTO = (173, 62, 53), (137, 70, 44)
"""The same colour in the numbers of other spaces."""


def file(picture: Image.Image, kind: str, profile: bytes | None = None, **options: Any) -> bytes:
    quality = {"quality": 100} if kind in ("JPEG", "WEBP", "AVIF") else {}
    return encoded(picture, kind, icc_profile=profile, **quality, **options)


def flat(colour: Any, mode: str = "RGB", size: int = 64) -> Image.Image:
    return Image.new(mode, (size, size), colour)


def mean(image: Any) -> NDArray[np.float64]:
    """The mean colour of H x W x 3."""
    return np.asarray(image, float).reshape(-1, 3).mean(0)


KINDS = ["JPEG", "PNG", "WEBP", "TIFF", *(["AVIF"] if features.check("avif") else [])]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("profile", "pixel"), [("adobe_rgb", ADOBE), ("prophoto", PROPHOTO)])
def test_other_spaces_become_srgb(kind: str, profile: str, pixel: tuple[int, int, int]) -> None:
    data = file(flat(pixel), kind, getattr(profiles, profile)())
    assert mean(decode(data).image) == pytest.approx(SHOWN, abs=2)
    assert mean(decode(data, (8, 8)).image) == pytest.approx(SHOWN, abs=2)
    assert not decode(data).note


def test_palettes_and_transparency() -> None:
    palette = flat(ADOBE).quantize(4)
    assert mean(decode(file(palette, "PNG", profiles.adobe_rgb())).image) == pytest.approx(SHOWN, abs=2)
    clear = flat((*ADOBE, 128), "RGBA")
    half = (np.array(SHOWN) * 128 + 255 * 127) / 255  # the ground is white after the conversion, not before
    assert mean(decode(file(clear, "PNG", profiles.adobe_rgb())).image) == pytest.approx(half, abs=2)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_grey_profiles(kind: str) -> None:
    linear = file(flat(128, "L"), kind, profiles.grey(1.0))
    assert mean(decode(linear).image) == pytest.approx((188, 188, 188), abs=2)  # sRGB of half the light
    assert mean(decode(file(flat(128, "L"), kind)).image) == pytest.approx((128, 128, 128), abs=1)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks_by_their_profile(kind: str) -> None:
    """An odd press, whose cyan prints as a grey (L* 53.6): no rule without the profile could know."""

    def lab(c: int, m: int, y: int, k: int) -> tuple[float, float, float]:
        return (0, 0, 0) if k else (53.6, 0, 0) if c else (100, 0, 0)

    data = file(flat((255, 0, 0, 0), "CMYK"), kind, profiles.inks(lab))
    assert mean(decode(data).image) == pytest.approx((128, 128, 128), abs=2)
    assert mean(decode(file(flat((255, 0, 0, 0), "CMYK"), kind)).image) == pytest.approx((0, 255, 255), abs=2)


def test_lab_pictures() -> None:
    picture = Image.frombytes("LAB", (8, 8), bytes((137, 0, 0)) * 64)
    assert mean(decode(file(picture, "TIFF")).image) == pytest.approx((128, 128, 128), abs=2)


def test_srgb_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what a profile does, not by its name; and nothing is converted."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8))
    plain = decode(file(picture, "JPEG")).image
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (made, profiles.other_srgb()):
        decode(file(picture, "JPEG", profile))
        with monkeypatch.context() as patch:
            patch.setattr(colour, "_apply", lambda *_: pytest.fail("was converted"))
            assert (decode(file(picture, "JPEG", profile)).image == plain).all()
    assert (decode(file(picture, "JPEG", profiles.matrix(profiles.SRGB, 1.0))).image != plain).any()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    ("profile", "word"),
    [
        (b"no profile at all", "damaged"),
        (profiles.adobe_rgb()[:200], "damaged"),
        (profiles.adobe_rgb()[:40] + bytes(500), "damaged"),
        (profiles.matrix(((0, 0, 0),) * 3, 1.0), "makes all colours one"),
        (profiles.grey(1.0), "it is for GRAY and the picture is RGB"),
        (profiles.inks(lambda *_: (50, 0, 0)), "it is for CMYK and the picture is RGB"),
    ],
)
def test_profiles_of_no_use_cost_no_picture(
    kind: str, profile: bytes, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    colour._say_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        found = [decode(file(flat(SHOWN), kind, profile)) for _ in range(3)]
    assert mean(found[0].image) == pytest.approx(SHOWN, abs=2)
    assert all(word in one.note for one in found)
    assert [record.message.count("profile is ignored") for record in caplog.records] == [1]  # said once
    made = make_picture(file(flat(SHOWN, size=300), kind, profile), PictureConfig())
    assert word in made.note


def test_a_profile_of_many_segments() -> None:
    """More than 64 KB of it, as printers' profiles are."""
    long = profiles.matrix(profiles.ADOBE, [(i / 29_999) ** 2.19921875 for i in range(30_000)])
    assert len(long) > 2 * 65_536
    assert mean(decode(file(flat(ADOBE), "JPEG", long)).image) == pytest.approx(SHOWN, abs=2)


def train(data: bytes, tmp_path: Path) -> NDArray[np.float64]:
    write_shards(tmp_path / "s", [Record(data, "jpg", "red", {})])
    with Loader(DataConfig(shards=str(tmp_path / "s"), threads=0), 1, LoaderSizes(8), 0) as loader:
        return mean(next(loader).images_B3HW.permute(0, 2, 3, 1))


def evaluate(data: bytes, tmp_path: Path) -> NDArray[np.float64]:
    write_shards(tmp_path / "s", [Record(data, "jpg", "red", {})])
    return mean(load_split(tmp_path / "s")[0].permute(0, 2, 3, 1))


def use(data: bytes, tmp_path: Path) -> NDArray[np.float64]:
    (tmp_path / "a.jpg").write_bytes(data)
    return mean(load_pictures((tmp_path / "a.jpg",), 16).permute(0, 2, 3, 1))


def fetched(data: bytes, tmp_path: Path) -> NDArray[np.float64]:
    made = make_picture(data, PictureConfig(side=32))
    assert not Image.open(io.BytesIO(made.data)).info.get("icc_profile")
    return mean(Image.open(io.BytesIO(made.data)))


def sharded(data: bytes, tmp_path: Path, resolution: int = 0) -> NDArray[np.float64]:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/red.jpg").write_bytes(data)
    config = ShardConfig(str(tmp_path / "in"), str(tmp_path / "out"), caption=("name",))
    gather(replace(config, resolution=resolution))
    image = ShardSet(tmp_path / "out").read(0).image
    assert (image == data) == (resolution == 0)  # kept as it is, and then the profile with it
    return mean(decode(image).image)


def sharded_small(data: bytes, tmp_path: Path) -> NDArray[np.float64]:
    return sharded(data, tmp_path, 16)


def inspected(data: bytes, tmp_path: Path) -> NDArray[np.float64]:
    import base64

    return mean(Image.open(io.BytesIO(base64.b64decode(thumbnail(data, "", "").source.partition(",")[2]))))


@pytest.mark.parametrize("way", [train, evaluate, use, fetched, sharded, sharded_small, inspected])
def test_every_way_in_sees_the_same(way: Callable[[bytes, Path], NDArray[np.float64]], tmp_path: Path) -> None:
    assert way(file(flat(ADOBE), "JPEG", profiles.adobe_rgb()), tmp_path) == pytest.approx(SHOWN, abs=2)
