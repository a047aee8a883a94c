"""The verbs that use a trained run, on a fake pipeline: what they ask of it and what they write."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor

from majolica import cli
from majolica.commands.pictures import load_pictures
from majolica.config import io
from majolica.errors import UserError
from majolica.recipes import recipe

SIDE = recipe("nano").model.resolution


class FakePipeline:
    """Paints flat pictures numbered by prompt, embeds the mean colour, always prefers the last label."""

    resolution = SIDE
    fit = "crop"
    asked: tuple[Any, ...] = ()

    @classmethod
    def load(cls, run: Path) -> FakePipeline:
        assert run == Path("runs/demo")
        return cls()

    def paint(self, prompts: list[str], size: int | None, *rest: Any) -> Tensor:
        FakePipeline.asked = (prompts, size, *rest)
        side = size or SIDE
        shades_B = torch.arange(len(prompts), dtype=torch.uint8) * 100
        return shades_B[:, None, None, None].expand(-1, 3, side, side)

    def embed_images(self, images_B3HW: Tensor) -> Tensor:
        assert images_B3HW.dtype == torch.uint8
        assert images_B3HW.shape[1:] == (3, SIDE, SIDE)
        return images_B3HW.double().mean((2, 3)) / 255

    def embed_texts(self, texts: list[str]) -> Tensor:
        return torch.eye(3)[: len(texts)]

    def classify(self, images_B3HW: Tensor, labels: list[str]) -> Tensor:
        return torch.tensor([[0.1, 0.2, 0.7]]).expand(len(images_B3HW), -1)


@pytest.fixture(autouse=True)
def fake_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with two pictures, and the fake pipeline in place of the real one."""
    monkeypatch.chdir(tmp_path)
    module = ModuleType("majolica.sampling.pipeline")
    module.Pipeline = FakePipeline  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "majolica.sampling.pipeline", module)
    Image.new("RGB", (50, 40), (255, 0, 0)).save("red.png")
    Image.new("RGBA", (40, 90), (0, 0, 255, 0)).save("clear.png")


def test_generate_one(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "generate",
        "a dolphin, 海豚",
        "--set",
        "brightness=0.8,contrast=0.2",
        "--set",
        "colourfulness=-.1",
    ]
    assert cli.main([*words, "--size", "64", "--steps", "3", "--seed", "5", "--solver", "euler"]) == 0
    properties = {"brightness": 0.8, "contrast": 0.2, "colourfulness": -0.1}
    assert FakePipeline.asked == (("a dolphin, 海豚",), 64, properties, 3, 3.0, 5, "euler")
    assert capsys.readouterr().out == "painted.png\n"
    with Image.open("painted.png") as picture:
        assert (picture.size, picture.mode) == ((64, 64), "RGB")
        assert picture.info["prompt"] == "a dolphin, 海豚"
        assert json.loads(picture.info["majolica"])["set"] == properties


def test_generate_several_numbers_the_files() -> None:
    assert cli.main(["generate", "a", "b", "c", "--out", "new/x.jpg"]) == 0
    assert sorted(p.name for p in Path("new").iterdir()) == ["x-1.jpg", "x-2.jpg", "x-3.jpg"]
    assert Image.open("new/x-2.jpg").getpixel((0, 0)) == pytest.approx((100, 100, 100), abs=2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a", "--set", "brightnes=1"], "unknown property 'brightnes': did you mean 'brightness'"),
        (["a", "--set", "brightness"], "give a name and a value"),
        (["a", "--set", "brightness=high"], "'high' is not a number"),
        (["a", "--set", "brightness=nan"], "'nan' is not a number"),
        (["a", "--out", "x.gif"], "cannot write x.gif: name a file that ends in .png"),
        (["a", "--steps", "0"], "--steps is 0"),
    ],
)
def test_generate_refuses(capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    assert cli.main(["generate", *words]) == 2
    assert told in capsys.readouterr().err
    assert not list(Path().glob("painted*"))


def test_classify_prints_the_best_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["classify", "red.png", "clear.png", "--labels", "cat", "red apple", "dog", "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["red.png", "   70.0%  dog", "   20.0%  red apple", "clear.png", *lines[1:3]]


def test_embed_npz() -> None:
    assert cli.main(["embed", "red.png", "clear.png", "--texts", "a", "b"]) == 0
    with np.load("embeddings.npz") as file:
        assert file["image_embeddings"].dtype == np.float32
        assert file["image_embeddings"].tolist() == [[1, 0, 0], [1, 1, 1]]
        assert file["text_embeddings"].shape == (2, 3)
        assert file["images"].tolist() == ["red.png", "clear.png"]
        assert file["texts"].tolist() == ["a", "b"]


def test_embed_safetensors_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("majolica.commands.embed.BATCH", 1)
    assert cli.main(["embed", "red.png", "clear.png", "--out", "e.safetensors"]) == 0
    with safe_open("e.safetensors", "np") as file:
        assert file.keys() == ["image_embeddings"]
        assert file.get_tensor("image_embeddings").tolist() == [[1, 0, 0], [1, 1, 1]]
        assert json.loads(file.metadata()["images"]) == ["red.png", "clear.png"]


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
    for name, answer in (("embed_images", torch.eye(3)[:1]), ("classify", torch.tensor([[0.4, 0.6]]))):
        monkeypatch.setattr(FakePipeline, name, lambda self, images, *_, a=answer: seen.append(images) or a)
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


def test_eval_and_demo_hand_on_what_they_are_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluation, demo = ModuleType("majolica.eval.run"), ModuleType("majolica.demo")
    told: list[Any] = []
    evaluation.evaluate = lambda run, say: {"zero_shot_top1": 0.9375, "parameters": 6}  # type: ignore[attr-defined]
    demo.demo = lambda **options: told.append(options)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "majolica.eval.run", evaluation)
    monkeypatch.setitem(sys.modules, "majolica.demo", demo)
    io.save(recipe("nano"), Path("runs/demo/config.yaml"))
    assert cli.main(["eval", "runs/demo"]) == 0
    assert "0.9375" in capsys.readouterr().out
    assert cli.main(["demo", "--minutes", "2.5", "--out", "x"]) == 0
    assert told == [{"minutes": 2.5, "out": Path("x")}]
