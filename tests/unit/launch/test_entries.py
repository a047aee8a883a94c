"""What `python -m majolica.launch.prepare` and `.worker` say to wrong words: they are typed by hand on clusters."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from majolica.config.run import RunConfig
from majolica.launch import prepare, worker
from majolica.recipes import recipe

ENTRIES = pytest.mark.parametrize("main", [prepare.main, worker.main], ids=["prepare", "worker"])


@ENTRIES
@pytest.mark.parametrize("words", [[], ["only.yaml"], ["a.yaml", "run", "--resum"], ["a.yaml", "run", "more"]])
def test_wrong_words_are_answered_with_the_usage(main: object, words: list[str], capsys: object) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)  # type: ignore[operator]
    assert ended.value.code == 2
    assert "usage: python -m majolica.launch." in capsys.readouterr().err  # type: ignore[attr-defined]


@ENTRIES
def test_help_says_what_the_words_are(main: object, capsys: object) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])  # type: ignore[operator]
    assert ended.value.code == 0 and "folder of the run" in capsys.readouterr().out  # type: ignore[attr-defined]


def test_a_worker_that_stands_alone_says_what_is_wrong(tmp_path: Path) -> None:
    """Without a launcher there is no RANK; the mistake is said all the same."""
    alone = {name: value for name, value in os.environ.items() if "RANK" not in name}
    words = [sys.executable, "-m", "majolica.launch.worker", tmp_path / "gone.yaml", tmp_path / "run", "--resume"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=alone)
    assert done.returncode == 2 and done.stderr.startswith("majolica: cannot read the configuration")
    assert done.stderr.count("\n") == 1


def test_a_file_that_names_a_recipe_and_little_else_is_that_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for `majolica train FILE`; the defaults of the fields are those of the reference system."""
    (tmp_path / "mine.yaml").write_text("recipe: nano\ntrain: {steps: 70}\n")
    made: list[RunConfig] = []
    monkeypatch.setattr(prepare, "prepare_run", lambda config, out, resume: made.append(config))
    assert prepare.main([str(tmp_path / "mine.yaml"), str(tmp_path / "run")]) == 0
    nano = recipe("nano")
    assert made == [dataclasses.replace(nano, train=dataclasses.replace(nano.train, steps=70))]
    (tmp_path / "none.yaml").write_text("train: {steps: 7}\n")
    assert prepare.main([str(tmp_path / "none.yaml"), str(tmp_path / "other")]) == 2
