"""What `majolica extend` says of a property that it cannot teach, before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from majolica import cli
from majolica.config.io import save_config
from majolica.recipes import recipe


@pytest.mark.parametrize(
    ("property", "told"),
    [
        ("own", "own is a folder: name the Python file that defines PROPERTY"),
        ("./own", "own is a folder: name the Python file that defines PROPERTY"),
        ("own/warmth.txt", "own/warmth.txt cannot name a property: use letters, digits and underscores"),
        ("own/none", "own/none is not there: name a Python file that defines PROPERTY"),
        ("own/none.py", "own/none.py is not there: name a Python file that defines PROPERTY"),
        ("own/reference.py", "a property cannot be called reference, which --reference is"),
        ("brightnes", "unknown property 'brightnes': did you mean 'brightness'"),
    ],
)
def test_what_is_no_property_file_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], property: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    save_config(recipe("nano"), Path("run/config.yaml"))
    Path("own").mkdir()
    for name in ("warmth.txt", "reference.py"):
        Path("own", name).touch()
    assert cli.main(["extend", "run", "--property", property]) == 2
    err = capsys.readouterr().err
    assert told in err and err.count("\n") == 1
