"""Verbs, exit codes and what a mistyped command line is told."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from majolica import __version__, cli
from majolica.config import io
from majolica.recipes import recipe


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def error(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Standard error of a command line that must end with code 2, on one line."""
    assert cli.main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("majolica: ")
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_help_names_every_verb(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    for verb in ("demo", "data openmoji", "train", "generate", "classify", "embed", "eval"):
        assert f"\n  {verb} " in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"majolica {__version__}\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_verb_that_is_asked_to_stop_cleans_up_and_ends_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    cleaned = []

    def verb(words: list[str]) -> None:
        try:
            signal.raise_signal(number)
            time.sleep(5)
        finally:
            cleaned.append(words)

    monkeypatch.setattr(cli, "_verb", lambda words: (verb, words[1:]))
    assert cli.main(["eval", "runs/demo"]) == 130
    assert cleaned == [["runs/demo"]] and capsys.readouterr().err == "majolica: interrupted\n"


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_explains_itself(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([*verb.split(), "--help"])
    assert ended.value.code == 0
    assert f"usage: majolica {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("trian nano", "unknown verb 'trian': did you mean 'train'?"),
        ("data opnmoji", "unknown kind of data 'opnmoji': did you mean 'openmoji'?"),
        ("data", "say which: majolica data fetch"),
        ("train", "say what to train first"),
        ("train nanno", "unknown recipe 'nanno': did you mean 'nano'?"),
        ("train none.yaml", "cannot read the configuration none.yaml"),
        ("train nano --model.patch 5", "model.patch 5 does not divide model.resolution 32: try 4"),
        ("train nano --model.properties brightnes", "did you mean 'brightness'?"),
        ("train small", "data.shards is not set"),
        ("train nano", "majolica data openmoji --out data/openmoji --resolution 64"),
        ("train --resume runs/none", "no run to resume in runs/none"),
        ("train --resume=runs/none", "no run to resume in runs/none"),
        ("train nano --resume runs/none", "leave 'nano' out"),
        ("eval", "no run in runs/demo"),
        ("generate", "nothing to paint"),
        ("generate dolphin --run none", "no run in none"),
        ("generate dolphin --set brightnes=1", "did you mean 'brightness'?"),
        ("classify", "nothing to classify"),
        ("classify x.png", "nothing to choose from"),
        ("embed", "nothing to embed"),
        ("embed x.png --out x.csv", "cannot write x.csv: name a file that ends in .npz or .safetensors"),
        ("demo --minutes 0", "--minutes is 0"),
        ("demo --minutes nan", "--minutes is nan"),
    ],
)
def test_mistakes_are_one_line_and_code_2(capsys: pytest.CaptureFixture[str], words: str, told: str) -> None:
    assert told in error(capsys, *words.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("train nano --optim.lrr 3", "--optim.lr "),
        ("train nano --optim.lr fast", "--optim.lr"),
        ("generate dolphin --sise 96", "--size "),
        ("demo --minuts 3", "--minutes "),
    ],
)
def test_a_mistyped_option_is_told_the_nearest(capsys: pytest.CaptureFixture[str], words: str, told: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words.split())
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_print_config_is_the_recipe_with_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    words = "train nano --print-config --optim.lr 3e-4 --loss.drop_text 0.2 --data.no-flip"
    assert cli.main(words.split()) == 0
    Path("printed.yaml").write_text(capsys.readouterr().out)
    config = io.load(Path("printed.yaml"))
    assert (config.recipe, config.optim.lr, config.loss.drop_text, config.data.flip) == (
        "nano",
        3e-4,
        0.2,
        False,
    )
    assert config.model == recipe("nano").model
    assert cli.main(["train", "printed.yaml", "--print-config"]) == 0
    assert capsys.readouterr().out == Path("printed.yaml").read_text()


def test_dry_run_says_what_follows(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "reference", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "4,096" in out
    assert "1,499,136,000" in out
    assert out.endswith("shards         not set\n")
    assert cli.main(["train", "nano", "--dry-run"]) == 0
    assert capsys.readouterr().out.endswith("shards         data/openmoji/train (not there yet)\n")


def test_an_interrupted_command_ends_with_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: list[str]) -> tuple[object, list[str]]:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_verb", interrupted)
    assert cli.main(["train"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_reader_that_stops_early_is_no_error() -> None:
    source = str(Path(cli.__file__).parents[1])
    command = f"PYTHONPATH={source} {sys.executable} -m majolica train demo --print-config | true"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
