"""A file or a folder in the place of a name is answered with how it is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from majolica import cli
from majolica.config.io import save_config
from majolica.recipes import RECIPES, recipe


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shards").mkdir()
    Path("made/train").mkdir(parents=True)
    Path("made/train/00000.tar").touch()
    Path("rows").write_text("url\n")
    save_config(recipe("nano"), Path("run/config.yaml"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("data filter x.csv", "`majolica data filter private --inputs x.csv --out DIR`"),
        ("data filter rows", "`majolica data filter private --inputs rows --out DIR`"),
        ("data fetch parts/x.jsonl", "`majolica data fetch web256 --input parts/x.jsonl --out DIR`"),
        ("train shards", "`majolica train nano --data.shards shards`"),
        ("train made", "`majolica train nano --data.shards made/train`"),
        ("train run", "`majolica train --resume run`"),
        ("plan run", "run/config.yaml"),
        ("train mine.json", "neither a recipe"),
        ("plan mine.json", "neither a recipe"),
    ],
)
def test_a_place_is_no_unknown_name(words: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words.split()) == 2
    err = capsys.readouterr().err
    assert told in err and "unknown" not in err and err.count("\n") == 1


@pytest.mark.parametrize("verb", ["train", "plan", "data fetch", "data filter"])
def test_a_name_that_is_misspelt_is_still_answered_with_the_known_ones(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*verb.split(), "zzz"]) == 2
    assert "'zzz': known are " in capsys.readouterr().err


def test_a_recipe_is_taken_though_a_folder_has_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    for name in RECIPES:
        Path(name).mkdir()
        assert cli.main(["train", name, "--print-config"]) == 0
