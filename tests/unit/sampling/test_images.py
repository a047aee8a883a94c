"""Pictures in every form that callers have: one picture, whatever it comes as, is one and the same to the model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from majolica.data.pictures.frame import Fit
from majolica.errors import UserError
from majolica.sampling.images import Pictures, read_pictures

SIDE = 8


def read(given: Pictures, side: int = SIDE, how: Fit = "crop") -> torch.Tensor:
    return torch.cat(list(read_pictures(given, side, how, 2)))


@pytest.fixture
def photo() -> Image.Image:
    """A picture with another colour in each pixel."""
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_one_picture_in_every_form(photo: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    photo.save(path)
    last = np.array(photo)
    first = torch.from_numpy(last).permute(2, 0, 1)
    wanted = first[None].float() / 255
    forms: list[Any] = [photo, path, str(path), last, last[None], first, first[None], wanted, wanted[0], last / 255.0]
    forms += [last.astype(">f4") / 255, wanted.double(), wanted.permute(0, 2, 3, 1), first.numpy()]
    forms += [[form] for form in forms]
    for form in forms:
        torch.testing.assert_close(read(form), wanted)


def test_strides_that_torch_lacks(photo: Image.Image) -> None:
    """Pictures of OpenCV have blue first, and are turned by a view with a negative stride."""
    pixels = np.array(photo)
    pixels.flags.writeable = False
    torch.testing.assert_close(read(pixels[..., ::-1]), read(photo).flip(1))


def test_bfloat16_and_half_are_floats(photo: Image.Image) -> None:
    for dtype in (torch.float16, torch.bfloat16):
        torch.testing.assert_close(read(read(photo).to(dtype)), read(photo), atol=4e-3, rtol=0)


def test_grey_and_transparency() -> None:
    grey = np.full((SIDE, SIDE), 51, np.uint8)
    for form in (grey, grey[..., None], grey[None], torch.from_numpy(grey), Image.fromarray(grey), grey / 255):
        torch.testing.assert_close(read(form), torch.full((1, 3, SIDE, SIDE), 0.2))
    clear = np.zeros((SIDE, SIDE, 4), np.uint8)
    for form in (clear, clear / 255, Image.fromarray(clear)):
        torch.testing.assert_close(read(form), torch.ones(1, 3, SIDE, SIDE))


@pytest.mark.parametrize(("how", "dark"), [("crop", 1.0), ("stretch", 1 / 3), ("pad", 1 / 9)])
def test_an_array_is_fitted_as_its_file_is(how: Fit, dark: float, tmp_path: Path) -> None:
    wide = Image.new("RGB", (90, 30), "white")
    wide.paste("black", (30, 0, 60, 30))
    wide.save(tmp_path / "wide.png")
    for form in (wide, tmp_path / "wide.png", np.array(wide), [np.array(wide)]):
        assert (1 - read(form, 30, how)).mean().item() == pytest.approx(dark, abs=0.01)


def test_a_picture_of_pillow_is_read_as_its_file_is(tmp_path: Path) -> None:
    """Upright, with its depth: what `Image.open` gives holds the same as the file."""
    deep = Image.fromarray(np.full((12, 10), 0x8000, np.uint16))
    deep.save(tmp_path / "deep.png")
    turned = Image.new("RGB", (20, 20), "white")
    turned.paste("black", (0, 0, 20, 10))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    for name in ("deep.png", "turned.png"):
        with Image.open(tmp_path / name) as picture:
            assert torch.equal(read(picture), read(tmp_path / name))
    torch.testing.assert_close(read(deep), torch.full((1, 3, SIDE, SIDE), 0.5), atol=3e-3, rtol=0)


def test_many_come_in_parts() -> None:
    sizes = [part.shape for part in read_pictures(torch.zeros(5, 3, 9, 7), SIDE, "crop", 2)]
    assert sizes == [(2, 3, SIDE, SIDE), (2, 3, SIDE, SIDE), (1, 3, SIDE, SIDE)]
    mixed = [Image.new("RGB", (20, 10)), np.zeros((4, 4), np.uint8), torch.zeros(3, 6, 5)]
    assert [len(part) for part in read_pictures(mixed, SIDE, "crop", 2)] == [2, 1]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (torch.rand(1, 3, 8, 8) * 255, "must lie in [0, 1], and these run from"),
        (torch.rand(1, 3, 8, 8) * 2 - 1, "must lie in [0, 1], and these run from"),
        (torch.full((3, 8, 8), torch.nan), "must lie in [0, 1], and these run from nan"),
        (torch.randint(256, (3, 8, 8)), "pictures of torch.int64 cannot be read: give uint8"),
        (np.zeros((8, 8, 3), np.uint16), "pictures of uint16 cannot be read: give uint8"),
        (np.zeros((8, 8), object), "pictures of object cannot be read"),
        (torch.zeros(8, 9, 10, dtype=torch.uint8), "shape 8 x 9 x 10 is not a picture: none of its axes"),
        (torch.zeros(3, dtype=torch.uint8), "shape 3 is not a picture"),
        (torch.zeros(0, 3, 8, 8, dtype=torch.uint8), "shape 0 x 3 x 8 x 8 holds no pictures"),
        ([], "there are no pictures"),
        (None, "type NoneType is not a picture"),
        ([[1, 2], [3, 4]], "type list is not a picture"),
        (b"bytes", "type bytes is not a picture"),
        ("nowhere.png", "cannot read the picture nowhere.png: No such file"),
        (Path("."), "cannot read the picture .: "),
    ],
)
def test_what_is_no_picture_is_one_clear_line(given: Any, told: str) -> None:
    with pytest.raises(UserError) as caught:
        read(given)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_a_picture_without_pixels_is_refused() -> None:
    for size in ((0, 0), (3, 0)):
        with pytest.raises(UserError, match="shows nothing"):
            read(Image.new("RGB", size))
