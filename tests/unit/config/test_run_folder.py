"""A folder inside a run is no run, and the refusal names the one that it is in."""

from __future__ import annotations

from pathlib import Path

import pytest

from majolica import cli
from majolica.config.run_folder import config_of_run
from majolica.errors import UserError


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    run = Path("runs/fox")
    (run / "checkpoints" / "00000003").mkdir(parents=True)
    (run / "config.yaml").write_text("recipe: nano")
    return run


@pytest.mark.parametrize(
    ("inside", "what"),
    [
        ("checkpoints/00000003", "a checkpoint inside"),
        ("checkpoints/00000003/ema.safetensors", "a checkpoint inside"),
        ("checkpoints", "inside"),
        ("config.yaml", "inside"),
    ],
)
def test_the_run_is_named_as_it_was_written(run: Path, inside: str, what: str) -> None:
    assert config_of_run(run, "--run", "none") == run / "config.yaml"
    with pytest.raises(UserError) as raised:
        config_of_run(run / inside, "--run", "none")
    assert str(raised.value) == f"runs/fox/{inside} is {what} the run runs/fox: give --run runs/fox"


def test_from_inside_the_run_it_is_named_whole(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run.absolute()
    monkeypatch.chdir(run / "checkpoints")
    with pytest.raises(UserError, match=f"^00000003 is a checkpoint inside the run {whole}: give --run {whole}$"):
        config_of_run(Path("00000003"), "--run", "none")


def test_elsewhere_the_advice_is_given(run: Path) -> None:
    with pytest.raises(UserError, match=r"^train one first$"):
        config_of_run(Path("runs/owl/checkpoints"), "--run", "train one first")


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("train --resume", "--resume runs/fox"),
        ("data inspect . --tokenizer", "--tokenizer runs/fox"),
    ],
)
def test_verbs_that_need_the_whole_run_say_so(
    run: Path, words: str, given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = run / "checkpoints" / "00000003"
    assert cli.main([*words.split(), str(checkpoint)]) == 2
    said = capsys.readouterr().err
    assert f"majolica: {checkpoint} is a checkpoint inside the run runs/fox: give {given}\n" in said


@pytest.mark.parametrize("words", ["generate fox --run", "embed --texts fox --out e.npz --run", "eval"])
def test_verbs_that_use_weights_take_a_checkpoint(run: Path, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*words.split(), str(run / "checkpoints" / "00000003")]) == 2
    assert "runs/fox/tokenizer.model" in capsys.readouterr().err, "the run was found, which has no tokenizer here"
