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

    def make_openmoji(*arguments: Any, progress: Any) -> None:
        progress(1, 2)
        asked.append(arguments)

    monkeypatch.setattr(make, "make_openmoji", make_openmoji)
    words = f"data openmoji --out {tmp_path} --samples 5 --resolution 48 --objects 2 --seed 3 {words}"
    assert cli.main(words.split()) == 0
    assert asked == [(tmp_path, 5, 48, names, 2, 3)]
