"""`majolica data shard` from the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from majolica import cli
from majolica.data.store.shards import ShardSet
from processes import ENVIRONMENT


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for i in range(5):
        Image.new("RGB", (30, 20), (50 * i, 0, 0)).save(tmp_path / f"in/{i}.jpg")
    (tmp_path / "in/bad.jpg").write_bytes(b"no")
    return tmp_path


def test_from_folder_to_shards(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "data shard in --out out --caption name --per-shard 2 --resolution 10 --heldout 2"
    assert cli.main(words.split()) == 0
    out = capsys.readouterr().out
    assert "2 pictures in out/heldout" in out or "1 pictures in out/heldout" in out
    assert "left out: 1 x not_a_picture; see out/skipped.jsonl" in out
    assert len(ShardSet("out/train")) + len(ShardSet("out/heldout")) == 5


def test_the_printed_configuration_does_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "data shard in --out out --caption name folder --quality 80 --workers 2 --print-config"
    assert cli.main(words.split()) == 0
    (folder / "shard.yaml").write_text(capsys.readouterr().out)
    assert not (folder / "out").exists()
    assert cli.main(["data", "shard", "shard.yaml", "--workers", "1"]) == 0
    assert len(ShardSet("out")) == 5
    (folder / "shard.yaml").write_text("source: in\nqualty: 3\n")
    assert cli.main(["data", "shard", "shard.yaml", "--out", "x"]) == 2
    assert "did you mean 'quality'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "say what to pack first"),
        ("in", "--out DIR"),
        ("nowhere --out out", "there is no nowhere"),
        ("in --out out --quality 101", "quality is 101: it must be at most 100"),
        ("in --out out --per-shard 0", "per_shard is 0: it must be at least 1"),
        ("in --out out", "no picture in in can be used (6 x no_caption)"),
        (
            "in --out ./in/../in",
            "is the folder of the pictures: give the shards a folder of their own",
        ),
        (
            "in --out out --caption name --heldout 0.999",
            "has 6 pictures, and --heldout 0.999 leaves none to train on",
        ),
        ("in --out out --max-megapixels 100", "needs --resolution"),
        ("in/0.jpg --out out", "neither a folder nor a table"),
    ],
)
def test_mistakes(folder: Path, capsys: pytest.CaptureFixture[str], words: str, says: str) -> None:
    assert cli.main(["data", "shard", *words.split()]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
    assert not [*folder.rglob("*.tar"), *folder.glob("in/.*")]


def test_help_is_light() -> None:
    code = (
        "import sys; from majolica.cli import main\n"
        "for verb in ('shard', 'index', 'inspect', 'tokenizer'):\n"
        "    try: main(['data', verb, '--help'])\n"
        "    except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'PIL', 'pyarrow', 'duckdb', 'sentencepiece'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--per-shard" in done.stdout and "--workers" in done.stdout and "--vocab" in done.stdout


def test_a_part_that_gets_no_pictures_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name in ("fox", "owl"):
        Image.new("RGB", (8, 8)).save(f"in/{name}.png")
    assert cli.main(["data", "shard", "in", "--out", "out", "--caption", "name", "--heldout", "0.001"]) == 0
    assert "no pictures in out/heldout: --heldout 0.001 leaves it none" in capsys.readouterr().out
