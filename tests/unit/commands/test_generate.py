"""`majolica generate`, on a fake pipeline: what it asks of it and what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from fake_pipeline import FakePipeline
from majolica import cli
from majolica.adapters import store

pytestmark = pytest.mark.usefixtures("fake_pipeline")


USUAL = {
    "steps": 20,
    "guidance": 2.0,
    "solver": "heun",
    "churn": 4.0,
    "property_guidance": None,
    "batch": 1,
    "last_time": "auto",
    "tile": "auto",
    "candidates": 1,
    "project": True,
    "hold": False,
    "raw": False,
    "reference": None,
    "reference_guidance": None,
    "palette": None,
    "any_size": False,
}
"""The settings that are given by name, where the command line does not say otherwise."""


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
    named = USUAL | {"steps": 3, "seed": [5], "solver": "euler"}
    assert FakePipeline.asked == (["a dolphin, 海豚"], "64", properties, named)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("painted.png\n", "majolica: note: this is small\n")
    with Image.open("painted.png") as picture:
        assert (picture.size, picture.mode) == ((64, 64), "RGB")
        assert picture.info["prompt"] == "a dolphin, 海豚"
        settings = json.loads(picture.info["majolica"])
        assert (settings["set"], settings["seed"], settings["size"]) == (properties, 5, 64)
        assert (settings["last_time"], settings["tile"]) == ("auto", "auto")


def test_generate_variants_each_with_its_seed() -> None:
    """Prompts share the seed; variants count on from it, past what a float can tell apart."""
    assert cli.main(["generate", "a", "b", "-n", "2", "--seed", str(2**62), "--guidance", "1", "--batch", "9"]) == 0
    prompts, *_, named = FakePipeline.asked
    seeds = [2**62, 2**62 + 1] * 2
    assert prompts == ["a", "a", "b", "b"]
    assert named == USUAL | {"guidance": 1.0, "batch": 9, "seed": seeds}
    for place, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True), start=1):
        with Image.open(f"painted-{place}.png") as picture:
            assert picture.info["prompt"] == prompt
            assert json.loads(picture.info["majolica"])["seed"] == seed


def test_a_palette_is_for_all_pictures_or_for_the_variants_of_one_prompt() -> None:
    assert cli.main(["generate", "a", "b", "--palette", "red blue"]) == 0
    assert list(FakePipeline.asked[-1]["palette"]) == ["red blue"]
    assert cli.main(["generate", "a", "b", "-n", "2", "--palette", "red blue", "--palette", "#fff, #000"]) == 0
    asked = ["red blue", "red blue", "#fff, #000", "#fff, #000"]
    assert FakePipeline.asked[-1]["palette"] == asked
    for place, palette in enumerate(asked, start=1):
        with Image.open(f"painted-{place}.png") as picture:
            assert json.loads(picture.info["majolica"])["palette"] == palette


@pytest.mark.parametrize("name", ["20231105", "007", "1.0", "coyo"])
def test_the_name_of_a_category_may_be_written_in_digits(name: str) -> None:
    assert cli.main(["generate", "a", "--set", f"source={name}"]) == 0
    assert FakePipeline.asked[2] == {"source": name}


def test_generate_several_numbers_the_files() -> None:
    assert cli.main(["generate", "a", "b", "c", "--out", "new/x.jpg"]) == 0
    assert sorted(p.name for p in Path("new").iterdir()) == ["x-1.jpg", "x-2.jpg", "x-3.jpg"]
    assert Image.open("new/x-2.jpg").getpixel((0, 0)) == pytest.approx((100, 100, 100), abs=2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a", "--set", "brightnes=1"], "unknown property 'brightnes': did you mean 'brightness'"),
        (["a", "--set", "brightness"], "--set brightness: 'brightness' is no name with a value"),
        (["a", "--set", "brightness=.5,"], "--set brightness=.5,: '' is no name with a value, as brightness=0.8 is"),
        (["a", "--set", "brightness=.5", "--property", "brightness"], "brightness is built in, and no file is needed"),
        (
            ["a", "--property", "sub/warmth.py"],
            "--property sub/warmth.py would change nothing, because warmth is not set",
        ),
        (["a", "--set", "folder=1", "--property", "folder.png"], "folder.png is a folder: name the Python file that"),
        (["a", "--set", "warmth=1", "--property", "sub"], "sub is a folder: name the Python file that defines"),
        (["a", "--set", "warmth=1", "--property", "sub/none.py"], "sub/none.py is not there: name a Python file"),
        (
            ["a", "--set", "warmth=1", "--property", "sub/warmth.py", "--property", "other/warmth.py"],
            "sub/warmth.py and other/warmth.py both define warmth: name one only, or rename a file",
        ),
        (["a", "--set", "brightness=high"], "'high' is not a number"),
        (["a", "--set", "brightness=nan"], "'nan' is not a number"),
        (["a", "--out", "x.gif"], "cannot write x.gif: name a file that ends in .png"),
        (["a", "--palette", "red"], "the palette 'red' has 1 colour: give 2 to 5"),
        (["a", "b", "c", *["--palette", "red blue"] * 2, "-n", "2"], "there are 2 palettes for 3 prompts"),
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
    Path("sub").mkdir()
    Path("sub/warmth.py").touch()
    Path("other").mkdir()
    Path("other/warmth.py").touch()
    FakePipeline.asked = ()
    assert cli.main(["generate", *words]) == 2
    assert FakePipeline.asked == ()  # before anything is painted
    assert told in capsys.readouterr().err
    assert not list(Path().glob("painted*"))


@pytest.mark.parametrize(
    ("taught", "words", "told"),
    [
        (["warmth"], [], "--adapter a.safetensors would change nothing, because warmth is not set"),
        ([], [], "--adapter a.safetensors follows reference pictures, and none is given: name one with --reference"),
        (["warmth"], ["--set", "warmth=1"], ""),
        ([], ["--reference", "red.png"], ""),
    ],
)
def test_an_adapter_that_would_change_nothing_is_refused(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    taught: list[str],
    words: list[str],
    told: str,
) -> None:
    monkeypatch.setattr(store, "list_properties", lambda paths: taught)
    assert cli.main(["generate", "a", "--adapter", "a.safetensors", *words]) == (2 if told else 0)
    assert told in capsys.readouterr().err
