"""What `majolica data openmoji` asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from majolica import cli
from majolica.data.drawings import make


@pytest.mark.parametrize(("words", "names"), [("", 32), ("--names 7", 7), ("--names dolphin fox", ("dolphin", "fox"))])
def test_arguments_reach_the_maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, names: object) -> None:
    asked: list[tuple[Any, ...]] = []

    def make_openmoji(*arguments: Any, progress: Any, aspects: Any) -> None:
        progress(1, 2)
        asked.append((*arguments, aspects))

    monkeypatch.setattr(make, "make_openmoji", make_openmoji)
    words = f"data openmoji --out {tmp_path} --samples 5 --resolution 48 --objects 2 --seed 3 --aspects 3:2 1:1 {words}"
    assert cli.main(words.split()) == 0
    assert asked == [(tmp_path, 5, 48, names, 2, 3, [1.5, 1.0])]


@pytest.mark.parametrize("aspect", ["1.5", "3:0", ":2", "wide", "3x2"])
def test_what_is_no_aspect_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], aspect: str) -> None:
    assert cli.main(["data", "openmoji", "--out", str(tmp_path / "new"), "--aspects", "1:1", aspect]) == 2
    assert f"--aspects {aspect}: give width and height with a colon" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
