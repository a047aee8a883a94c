"""The verbs that use a trained run, on a fake pipeline: what they ask of it and what they write."""

from __future__ import annotations

import json
import sys
import warnings
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
from majolica.errors import Notice, UserError
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

    def paint(self, prompts: list[str], size: int | None, *rest: Any, progress: Any, **named: Any) -> Tensor:
        FakePipeline.asked = (prompts, size, *rest, named)
        warnings.warn("this is small", Notice, stacklevel=2)
        progress(1, 1)
        side = size or SIDE
        shades_B = torch.arange(len(prompts), dtype=torch.uint8) * 100
        return shades_B[:, None, None, None].expand(-1, 3, side, side)

    def embed_images(self, images_B3HW: Tensor) -> Tensor:
        assert images_B3HW.dtype == torch.uint8
        assert images_B3HW.shape[1:] == (3, SIDE, SIDE)
        return images_B3HW.double().mean((2, 3)) / 255

    def embed_texts(self, texts: list[str]) -> Tensor:
        return torch.eye(3)[: len(texts)]

    def embed_labels(self, labels: list[str]) -> Tensor:
        return torch.arange(1.0, 1 + len(labels))

    def compare(self, images_BE: Tensor, labels_K: Tensor) -> Tensor:
        return (labels_K / labels_K.sum()).expand(len(images_BE), -1)


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
    named = {"property_guidance": None, "batch": 1}
    assert FakePipeline.asked == (["a dolphin, 海豚"], 64, properties, 3, 3.0, [5], "euler", named)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("painted.png\n", "majolica: note: this is small\n")
    with Image.open("painted.png") as picture:
        assert (picture.size, picture.mode) == ((64, 64), "RGB")
        assert picture.info["prompt"] == "a dolphin, 海豚"
        settings = json.loads(picture.info["majolica"])
        assert (settings["set"], settings["seed"], settings["size"]) == (properties, 5, 64)


def test_generate_variants_each_with_its_seed() -> None:
    """Prompts share the seed; variants count on from it, past what a float can tell apart."""
    assert cli.main(["generate", "a", "b", "-n", "2", "--seed", str(2**62), "--guidance", "1", "--batch", "9"]) == 0
    prompts, *_, seeds, _, named = FakePipeline.asked
    assert (prompts, seeds) == (["a", "a", "b", "b"], [2**62, 2**62 + 1] * 2)
    assert named == {"property_guidance": None, "batch": 9}
    for place, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True), start=1):
        with Image.open(f"painted-{place}.png") as picture:
            assert picture.info["prompt"] == prompt
            assert json.loads(picture.info["majolica"])["seed"] == seed


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
        (["a", "--steps", "0"], "--steps is 0: at least 1"),
        (["a", "-n", "0"], "--count is 0: at least 1"),
        (["a", "--batch", "-2"], "--batch is -2: at least 1"),
        (["a", "--set", "brightness=.3,brightness=.4"], "brightness is set already, to 0.3"),
        (["a", "--out", "folder.png"], "cannot write folder.png: it is a folder"),
        (["a", "b", "--out", "some.png"], "cannot write some-2.png: it is a folder"),
        (["a", "--out", "red.png/x.png"], "cannot write red.png/x.png: "),
    ],
)
def test_generate_refuses(capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    Path("folder.png").mkdir()
    Path("some-2.png").mkdir()
    FakePipeline.asked = ()
    assert cli.main(["generate", *words]) == 2
    assert FakePipeline.asked == ()  # before anything is painted
    assert told in capsys.readouterr().err
    assert not list(Path().glob("painted*"))


def test_classify_prints_the_best_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["classify", "red.png", "clear.png", "--labels", "cat", "red apple", "dog", "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["red.png", "   50.0%  dog", "   33.3%  red apple", "clear.png", *lines[1:3]]


def test_classify_a_folder_by_a_file_of_labels_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With one picture that is none: the others are named, and the exit code tells."""
    Path("in/deep").mkdir(parents=True)
    for name in ("in/b.png", "in/deep/a.JPG", "in/deep/notes.txt"):
        Path(name).write_bytes(Path("red.png").read_bytes())
    Path("in/c.png").write_text("no picture")
    Path("labels.txt").write_text("\ufeffcat\n\n  red apple \ndog\ncat\n", encoding="utf-8")
    assert cli.main(["classify", "in", "clear.png", "--labels-file", "labels.txt", "--labels", "owl", "--json"]) == 2
    told = capsys.readouterr()
    rows = {row["picture"]: row for row in map(json.loads, told.out.splitlines())}
    assert list(rows["in/b.png"]["probabilities"].items()) == [
        ("dog", 0.4),
        ("red apple", 0.3),
        ("cat", 0.2),
        ("owl", 0.1),
    ]
    assert rows["in/b.png"]["best"] == rows["in/deep/a.JPG"]["best"] == rows["clear.png"]["best"] == "dog"
    assert "cannot read the picture in/c.png: not a picture that can be read" in rows["in/c.png"]["error"]
    assert len(rows) == 4
    assert "majolica: cannot read the picture in/c.png" in told.err
    assert told.err.endswith("majolica: 1 of 4 pictures could not be read, as said above\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--labels", "a", "b"], "nothing to classify"),
        (["red.png"], "nothing to choose from"),
        (["red.png", "--labels", "a"], "'a' is the only label"),
        (["red.png", "--labels", "a", "a"], "'a' is the only label"),
        (["red.png", "--labels", "a", " "], "a label is empty"),
        (["red.png", "--labels", "a", "b", "--top", "0"], "--top is 0: at least 1"),
        (["red.png", "--labels", "a", "b", "--top", "-1"], "--top is -1: at least 1"),
        (["red.png", "--labels-file", "none.txt"], "cannot read the labels in none.txt: No such file"),
        (["red.png", "--labels-file", "latin.txt"], "cannot read the labels in latin.txt: it is not UTF-8"),
        (["red.png", "--labels-file", "empty"], "cannot read the labels in empty: Is a directory"),
        (["empty", "--labels", "a", "b"], "there are no pictures in the folder empty"),
        (["none.png", "--labels", "a", "b"], "cannot read the picture none.png"),
    ],
)
def test_classify_refuses(capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    Path("latin.txt").write_bytes("Käfer\nFuchs".encode("latin-1"))
    Path("empty").mkdir()
    assert cli.main(["classify", *words]) == 2
    captured = capsys.readouterr()
    assert told in captured.err and captured.err.count("\n") == 1
    assert captured.out == ""


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


def test_more_labels_may_be_asked_for_than_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["classify", "red.png", "--labels", "a", "b", "--top", "99"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_embed_leaves_out_what_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    Path("in/b.png").write_bytes(Path("red.png").read_bytes())
    Path("in/a.png").write_text("no picture")
    assert cli.main(["embed", "in", "clear.png", "--out", "e.NPZ"]) == 2
    assert "1 of 3 pictures could not be read" in capsys.readouterr().err
    with np.load("e.NPZ") as file:
        assert file["images"].tolist() == ["in/b.png", "clear.png"]
        assert file["image_embeddings"].tolist() == [[1, 0, 0], [1, 1, 1]]
    assert cli.main(["embed", "in/a.png", "in/none.png"]) == 2
    assert "none of the 2 pictures could be read" in capsys.readouterr().err
    assert not Path("embeddings.npz").exists()


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


def test_eval_and_demo_hand_on_what_they_are_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluation, demo = ModuleType("majolica.eval.run"), ModuleType("majolica.commands.main_job")
    told: list[Any] = []
    evaluation.evaluate = lambda request, say, progress: {"zero_shot_top1": 0.9375, "parameters": 6}  # type: ignore[attr-defined]
    demo.run_demo = lambda **options: told.append(options)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "majolica.eval.run", evaluation)
    monkeypatch.setitem(sys.modules, "majolica.commands.main_job", demo)
    io.save(recipe("nano"), Path("runs/demo/config.yaml"))
    assert cli.main(["eval", "runs/demo"]) == 0
    assert "0.9375" in capsys.readouterr().out
    assert cli.main(["demo", "--minutes", "2.5", "--out", "x"]) == 0
    assert told == [{"minutes": 2.5, "out": Path("x")}]
