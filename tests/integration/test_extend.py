"""Teaching a trained run a property: its own weights and pictures stay as they are, and it can be set afterwards."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from majolica import cli
from majolica.adapters.store import read_card
from majolica.launch.start import train
from majolica.properties import registry
from majolica.run.weights import load_averaged
from majolica.sampling.pipeline import Pipeline
from tiny import tiny_run
from warmth import WARMTH, forget

__all__ = ["forget"]


@pytest.fixture
def run(shards: Path, tmp_path: Path) -> Path:
    config = tiny_run(shards, steps=2)
    train(dataclasses.replace(config, train=dataclasses.replace(config.train, trackers=())), tmp_path / "run")
    return tmp_path / "run"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_properties_are_taught_and_nothing_else_changes(run: Path, tmp_path: Path) -> None:
    before, plain = contents(run), Pipeline.load(run).paint("a fox", steps=2)
    (tmp_path / "warmth.py").write_text(WARMTH)
    for name in ("hue", str(tmp_path / "warmth.py")):
        assert cli.main(["extend", str(run), "--property", name, "--steps", "9", "--batch", "4", "--lr", "0.2"]) == 0
    after = contents(run)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"adapters/hue.safetensors", "adapters/warmth.safetensors"}
    pipeline = Pipeline.load(run)
    assert pipeline.properties == ("brightness", "contrast", "colourfulness", "hue", "warmth")
    assert torch.equal(plain, pipeline.paint("a fox", steps=2))
    for dials in ({"hue": 120.0}, {"warmth": 0.3}, {"hue": 120.0, "warmth": "p90", "brightness": 0.6}):
        assert not torch.equal(plain, pipeline.paint("a fox", steps=2, properties=dials))
    alone = Pipeline.load(run, adapters=[run / "adapters" / "hue.safetensors"])
    assert torch.equal(*(p.paint("a fox", steps=2, properties={"hue": 9.0}) for p in (alone, pipeline)))


def test_the_card_says_what_it_is(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run.parent / "elsewhere.safetensors"
    words = ["extend", str(run), "--property", "sharpness", "--steps", "2", "--batch", "4", "--out", str(path)]
    assert cli.main(words) == 0
    card = read_card(path)
    assert (card.name, card.base, card.steps, card.rows) == ("sharpness", load_averaged(run).sha256, 2, 8)
    assert card.parameters == sum(x.numel() for name, x in load_file(path).items() if name != "quantiles")
    assert f"{card.parameters:,} parameters" in capsys.readouterr().err
    assert Pipeline.load(run).properties == ("brightness", "contrast", "colourfulness")
    assert "sharpness" in Pipeline.load(run, adapters=[path]).properties


def test_a_run_that_was_trained_on_is_another_base(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["extend", str(run), "--property", "hue", "--steps", "1", "--batch", "4"]) == 0
    old = load_averaged(run).sha256
    assert cli.main(["train", "--resume", str(run), "--train.steps", "4"]) == 0
    capsys.readouterr()
    words = ["generate", "a fox", "--run", str(run), "--steps", "1", "--out", str(run.parent / "x.png")]
    assert cli.main(words) == 0
    assert "hue.safetensors is left out, because it was taught to other weights" in capsys.readouterr().err
    assert cli.main([*words, "--set", "hue=120", "--adapter", str(run / "adapters" / "hue.safetensors")]) == 2
    said = capsys.readouterr().err
    assert old in said and load_averaged(run).sha256 in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "say what to teach: --property with one of aesthetic_score"),
        (["--property", "hu"], "unknown property 'hu': did you mean 'hue'"),
        (["--property", "contrast"], "was trained with contrast: there is nothing to teach"),
        (["--property", "source"], "source is 'openmoji0' in all of the first pictures: name other data with --data"),
        (["--property", "hue", "--out", "x.txt"], "cannot write x.txt: name a file that ends in .safetensors"),
        (["--property", "nowhere.py"], "nowhere.py is not there"),
        (["--property", "hue", "--minutes", "0"], "--minutes is 0: give a number above 0"),
        (["--property", "hue", "--steps", "-1"], "--steps is -1"),
        (["--property", "hue", "--data", "nowhere", "--steps", "1"], "nowhere"),
    ],
)
def test_what_cannot_be_taught_is_one_line(
    run: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    capsys.readouterr()
    assert cli.main(["extend", str(run), *words]) == 2
    said = capsys.readouterr().err
    assert message in said and said.strip().count("\n") == 0
    assert not (run / "adapters").exists()


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        ("red * 0 + 0.5", "own hardly varies in the first pictures, from 0.5 to 0.5: mend own.py, or name other data"),
        ("red * float('nan')", "own has no value in any of the first pictures: mend own.py, or name other data"),
        ("red * 100", ", outside of its range from 0 to 1 in 1,024 of the first 1,024 pictures: mend own.py, or name"),
    ],
)
def test_a_measure_that_cannot_be_learned_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], measure: str, message: str
) -> None:
    body = f"def measure(images_B3HW):\n    red = images_B3HW[:, 0].mean((1, 2))\n    return {measure}\n"
    end = 'PROPERTY = Property("none", 0.0, 1.0, measure)\n'
    (tmp_path / "own.py").write_text(f"from majolica.properties.property import Property\n{body}{end}")
    capsys.readouterr()
    assert cli.main(["extend", str(run), "--property", str(tmp_path / "own.py"), "--steps", "1"]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1 and not (run / "adapters").exists()


@pytest.mark.parametrize("what", [["--property", "hue"], ["--reference"]])
def test_an_adapter_is_not_replaced(run: Path, capsys: pytest.CaptureFixture[str], what: list[str]) -> None:
    path = run / "adapters" / f"{what[-1].strip('-')}.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"what somebody taught")
    capsys.readouterr()
    assert cli.main(["extend", str(run), *what, "--steps", "1", "--batch", "4"]) == 2
    assert capsys.readouterr().err == (
        f"majolica: {path} exists, and something may depend on it: move it away, or name another with --out\n"
    )
    assert path.read_bytes() == b"what somebody taught"


def test_an_adapter_that_diverges_is_not_written(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["extend", str(run), "--property", "hue", "--steps", "3", "--batch", "4", "--lr", "1e30"]
    assert cli.main(words) == 2
    assert "the adapter diverged: lower --lr" in capsys.readouterr().err
    assert not (run / "adapters").exists()


def test_the_name_of_a_file_need_not_be_that_of_its_property(run: Path, tmp_path: Path) -> None:
    (tmp_path / "warmth.py").write_text(WARMTH)
    out = tmp_path / "mine.safetensors"
    words = ["extend", str(run), "--property", str(tmp_path / "warmth.py"), "--steps", "1", "--batch", "4"]
    assert cli.main([*words, "--out", str(out)]) == 0
    registry._ADDED.clear()
    picture = ["generate", "a fox", "--run", str(run), "--steps", "1", "--out", str(tmp_path / "x.png")]
    assert cli.main([*picture, "--adapter", str(out), "--set", "warmth=0.2"]) == 0
    (tmp_path / "warmth.py").write_text(WARMTH + "\n# another file\n")
    assert cli.main([*picture, "--adapter", str(out), "--property", str(tmp_path / "warmth.py")]) == 2


def test_quantiles_of_a_run_are_those_of_its_pictures(run: Path) -> None:
    found = json.loads((run / "properties.json").read_text())
    assert set(found) == {"brightness", "contrast", "colourfulness"}
    assert Pipeline.load(run).model.conditions.quantiles[0].tolist() == pytest.approx(found["brightness"]["quantiles"])
