"""Cut, padded or stretched: in training, evaluation and use alike."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image

from majolica.commands.pictures import load_pictures
from majolica.config import io as config_io
from majolica.config.data import DataConfig
from majolica.data.loading.loader import Loader, LoaderSizes
from majolica.data.loading.split import load_split
from majolica.data.pictures.decode import decode
from majolica.data.pictures.fit import fit_picture
from majolica.data.pictures.frame import Fit, lost_area, scale_of
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.errors import UserError
from majolica.recipes import recipe

RED, GREEN, BLUE = (250, 0, 0), (0, 250, 0), (0, 0, 250)
WHITE = (255, 255, 255)
HOWS: tuple[Fit, ...] = ("crop", "pad", "stretch")


def bands(width: int, height: int, tall: bool = False) -> NDArray[np.uint8]:
    """Red, green and blue side by side, or from top to bottom."""
    image = np.array([[RED, GREEN, BLUE]], np.uint8)
    image = image.swapaxes(0, 1) if tall else image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.NEAREST))


def at(image: Any, *places: tuple[int, int]) -> list[tuple[int, ...]]:
    """Colours of 3 x H x W at (row, column)."""
    return [tuple(int(v) for v in image[:, y, x]) for y, x in places]


@pytest.mark.parametrize("tall", [False, True])
def test_what_each_does(tall: bool) -> None:
    size = (30, 90) if tall else (90, 30)
    turned = (lambda y, x: (x, y)) if tall else (lambda y, x: (y, x))
    crop, pad, stretch = (fit_picture(bands(*size, tall), (36, 36), how) for how in HOWS)
    assert crop.shape == pad.shape == stretch.shape == (3, 36, 36)
    assert at(crop, turned(18, 2), turned(18, 33)) == [GREEN, GREEN]
    assert at(pad, turned(18, 4), turned(18, 18), turned(18, 31)) == [RED, GREEN, BLUE]
    assert at(pad, turned(11, 18), turned(12, 18), turned(23, 18), turned(24, 18)) == [WHITE, GREEN, GREEN, WHITE]
    assert at(stretch, turned(1, 4), turned(34, 18), turned(1, 31)) == [RED, GREEN, BLUE]


@pytest.mark.parametrize("how", HOWS)
def test_what_fits_already_is_a_view(how: Fit) -> None:
    image = bands(36, 36)
    found = fit_picture(image, (36, 36), how)
    assert (found.numpy() == image.transpose(2, 0, 1)).all()
    assert found.data_ptr() == image.ctypes.data


@pytest.mark.parametrize(("size", "target"), [((1, 1000), (16, 16)), ((1000, 1), (16, 16)), ((7, 5), (40, 24))])
@pytest.mark.parametrize("how", HOWS)
def test_odd_proportions(how: Fit, size: tuple[int, int], target: tuple[int, int]) -> None:
    assert fit_picture(np.zeros((*size, 3), np.uint8), target, how).shape == (3, *target)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (64, 64)])
@pytest.mark.parametrize("target", [(1, 1), (1, 2), (2, 1), (1, 5), (5, 1)])
@pytest.mark.parametrize("how", HOWS)
def test_single_pixels(how: Fit, size: tuple[int, int], target: tuple[int, int]) -> None:
    """Torch's scaling refuses an empty cut, and one pixel in a picture whose channels come first in memory."""
    image = np.full((*size, 3), 7, np.uint8)
    channels_first = np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0)
    found = fit_picture(channels_first, target, how)
    assert found.shape == (3, *target)
    assert (found == fit_picture(image, target, how)).all()


def test_a_padded_picture_may_be_decoded_smaller() -> None:
    """Twice the resolution that is needed is left: along the longer side when it is padded."""
    out = io.BytesIO()
    Image.fromarray(bands(1024, 256)).save(out, "JPEG")
    shapes = {how: decode(out.getvalue(), (128, 128), how).image.shape[:2] for how in HOWS}
    assert shapes == {"crop": (256, 1024), "pad": (64, 256), "stretch": (256, 1024)}
    assert scale_of((256, 1024), (128, 128), "pad") == 8


def test_area_lost() -> None:
    assert lost_area((30, 30), (8, 8)) == 0
    assert lost_area((30, 60), (8, 8)) == pytest.approx(0.5)
    assert lost_area((60, 30), (16, 8)) == 0


def test_training_evaluation_and_use_agree(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.fromarray(bands(96, 32)).save(out, "PNG")
    write_shards(tmp_path / "s", [Record(out.getvalue(), "png", "bands", {})])
    (tmp_path / "a.png").write_bytes(out.getvalue())
    for how in HOWS:
        with Loader(DataConfig(shards=str(tmp_path / "s"), threads=0, fit=how), 1, LoaderSizes(24), 0) as loader:
            trained = next(loader).images_B3HW[0]
        assert (trained == fit_picture(bands(96, 32), (24, 24), how)).all()
        assert (load_split(tmp_path / "s", resolution=24, how=how)[0][0] == trained).all()
        assert (load_pictures((tmp_path / "a.png",), 24, how)[0] == trained).all()


def test_padded_rows_are_fine_where_they_have_the_pixels(tmp_path: Path) -> None:
    """A picture 64 px wide fills a padded frame of 64 px, though it is but 32 px high."""
    out = io.BytesIO()
    Image.fromarray(bands(64, 32)).save(out, "PNG")
    write_shards(tmp_path / "s", [Record(out.getvalue(), "png", "bands", {})])
    found = {}
    for how in HOWS:
        with Loader(
            DataConfig(shards=str(tmp_path / "s"), threads=0, fit=how), 1, LoaderSizes(32, (2,), 1), 0
        ) as loader:
            found[how] = next(loader).large[2].shape[0]
    assert found == {"crop": 0, "pad": 1, "stretch": 0}


def test_a_run_remembers_how(tmp_path: Path) -> None:
    config = config_io.to_dict(recipe("nano"))
    config["data"]["fit"] = "pad"
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    assert config_io.load_config(path).data.fit == "pad"
    config["data"]["fit"] = "squeeze"
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match="fit"):
        config_io.load_config(path)
