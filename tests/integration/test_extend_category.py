"""Teaching a trained run a category: its names are set afterwards, and pictures follow them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from majolica import cli
from majolica.adapters.card import AdapterCard
from majolica.adapters.store import read_card
from majolica.launch.start import train
from majolica.sampling.pipeline import Pipeline
from tiny import tiny_run
from two_sources import mix_sources, write


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of dark and bright pictures that does not know which source they come from."""
    home = tmp_path_factory.mktemp("category")
    config = tiny_run(home, steps=200)
    config = replace(config, data=replace(config.data, shards="", sources=mix_sources(home)))
    train(replace(config, train=replace(config.train, trackers=())), home / "run")
    return home / "run"


def test_pictures_follow_the_names(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = Pipeline.load(run).paint("a fox", steps=4)
    words = ["extend", str(run), "--property", "source", "--steps", "60", "--batch", "8", "--lr", "0.03"]
    assert cli.main(words) == 0
    card = read_card(run / "adapters" / "source.safetensors")
    assert isinstance(card, AdapterCard) and card.names == ["coyo", "laion"]
    pipeline = Pipeline.load(run)
    assert torch.equal(plain, pipeline.paint("a fox", steps=4))
    both = pipeline.paint(["a fox"] * 2, steps=4, properties={"source": ["Coyo", "LAION"]}, batch=2).float()
    dark, bright = both.mean((1, 2, 3)).tolist()
    assert dark < 80 and bright > 160  # the sources have 40 and 200
    picture = ["generate", "a fox", "--run", str(run), "--steps", "1", "--out", str(run / "x.png")]
    assert cli.main([*picture, "--set", "source=laion"]) == 0
    capsys.readouterr()
    assert cli.main([*picture, "--set", "source=lion"]) == 2
    assert "did you mean 'laion'" in capsys.readouterr().err


def test_one_name_teaches_nothing(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = write(tmp_path / "one", 40), str(tmp_path / "one.safetensors")
    assert cli.main(["extend", str(run), "--property", "source", "--data", data, "--out", out]) == 2
    assert "source is 'one' in all of the first pictures: name other data with --data" in capsys.readouterr().err
