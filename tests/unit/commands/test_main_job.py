"""The demo's drawings are used as they are only when they are all there, and those of the demo."""

from __future__ import annotations

from pathlib import Path

import pytest

from majolica.commands import main_job
from majolica.data.drawings.make import make_openmoji
from majolica.errors import UserError


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_job, "SAMPLES", 6)
    monkeypatch.setattr(main_job, "HELD_OUT", 2)


def test_drawings_are_made_once_and_completed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main_job.make_data(tmp_path, 16)
    assert "are there already" not in capsys.readouterr().err
    main_job.make_data(tmp_path, 16)
    assert "are there already" in capsys.readouterr().err
    [tar] = (tmp_path / "combinations").glob("*.tar")
    before = tar.read_bytes()
    tar.unlink()
    main_job.make_data(tmp_path, 16)
    assert tar.read_bytes() == before


@pytest.mark.parametrize("other", [{"resolution": 24}, {"objects": 2}, {"names": 33}, {"aspects": (1.0, 2.0)}])
def test_other_drawings_than_those_of_the_demo_are_refused(other: dict[str, int], tmp_path: Path) -> None:
    make_openmoji(tmp_path, **{"samples": 6, "resolution": 16, "heldout": 2, "combinations": 2} | other)
    with pytest.raises(UserError, match="holds another data set"):
        main_job.make_data(tmp_path, 16)


@pytest.mark.parametrize("text", ["", "{", "7", "null"])
def test_a_damaged_description_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(UserError, match=r"dataset.json cannot be read \(.*\); choose another folder or remove it"):
        main_job.make_data(tmp_path, 16)
