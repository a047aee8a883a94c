"""Pictures that verbs are given: cropped, fitted and turned as in training, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from fake_pipeline import SIDE, FakePipeline
from majolica import cli
from majolica.commands.pictures import load_pictures
from majolica.errors import UserError

pytestmark = pytest.mark.usefixtures("fake_pipeline")


def test_pictures_are_cropped_not_squeezed() -> None:
    wide = Image.new("RGB", (90, 30), "white")
    wide.paste("black", (30, 0, 60, 30))
    wide.save("wide.png")
    assert load_pictures((Path("wide.png"),), 30).max() == 0


@pytest.mark.parametrize("verb", ["embed", "classify"])
def test_pictures_are_fitted_as_the_run_was_trained(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = Image.new("RGB", (90, 30), "black")
    wide.save("wide.png")
    seen: list[Tensor] = []
    monkeypatch.setattr(FakePipeline, "fit", "pad")
    monkeypatch.setattr(FakePipeline, "embed_images", lambda self, images: seen.append(images) or torch.eye(3)[:1])
    assert cli.main([verb, "wide.png", *(["--labels", "a", "b"] if verb == "classify" else [])]) == 0
    assert seen[0][0, :, 0].min() == 255 and seen[0][0, :, SIDE // 2].max() == 0


def test_pictures_are_turned_as_the_camera_says() -> None:
    picture = Image.new("RGB", (20, 20), "white")
    picture.paste("black", (0, 0, 20, 10))  # black on top
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise: black on the right
    picture.save("turned.png", exif=exif)
    image_3HW = load_pictures((Path("turned.png"),), 20)[0]
    assert image_3HW[:, :, 12:].max() == 0
    assert image_3HW[:, :, :8].min() == 255


@pytest.mark.parametrize("name", ["none.png", "text.png", "cut.png", "."])
def test_pictures_that_cannot_be_read(name: str) -> None:
    Path("text.png").write_text("no picture")
    Path("cut.png").write_bytes(Path("red.png").read_bytes()[:60])
    with pytest.raises(UserError, match=f"cannot read the picture {name}"):
        load_pictures((Path(name),), 8)


def test_a_picture_of_too_many_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UserError, match=r"cannot read the picture red\.png"):
        load_pictures((Path("red.png"),), 8)


@pytest.mark.parametrize("verb", ["classify", "embed"])
def test_tars_in_the_place_of_pictures_are_named_with_what_to_do(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("my set/part").mkdir(parents=True)
    for name in ("my set/part/00000.tar", "my set/part/00001.tar.gz", "my set/notes.md"):
        Path(name).write_text("")
    labels = ["--labels", "a", "b"] if verb == "classify" else []
    unpack = "unpack it with `mkdir -p pictures && tar -xf 'my set/part/00000.tar' -C pictures`, and name the folder"
    for place, says in (
        ("my set", "there are no pictures in the folder my set, but tars (2)"),
        ("my set/part/00000.tar", "my set/part/00000.tar is a tar, not a picture"),
    ):
        assert cli.main([verb, place, *labels]) == 2
        assert capsys.readouterr().err == f"majolica: {says}: {unpack} pictures\n"
