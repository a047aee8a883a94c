"""`majolica data inspect` from the command line."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest
from PIL import Image

from majolica import cli
from majolica.config import io as io_config
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet
from majolica.text.tokenizer import Tokenizer, train_tokenizer
from picture_files import encoded
from tiny import tiny_run


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    def picture(i: int) -> bytes:
        return encoded(Image.new("RGB", (30, 20), (50 * i, 0, 0)), "PNG")

    write_shards(tmp_path / "set", (Record(picture(i), "png", f"number {i}", {}) for i in range(5)))
    return tmp_path / "set"


def test_a_page_and_its_numbers(shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = shards.parent / "deep/page.html"
    assert cli.main(["data", "inspect", str(shards), "--out", str(page), "--limit", "4", "--pictures", "2"]) == 0
    assert page.read_text(encoding="utf-8").count("<img") >= 2
    assert json.loads(page.with_suffix(".json").read_text())["measured"] == 4
    out = capsys.readouterr().out
    assert out.startswith("5 samples in 1 tar; 4 were read") and out.endswith(f"{page}\n")


def test_several_folders_are_looked_at_as_one_set(shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other, page = shards.parent / "other", shards.parent / "page.html"
    picture = ShardSet(shards).read(3).image
    write_shards(other, [Record(b"no picture", "png", "broken", {}), Record(picture, "png", "a copy of 3", {})])
    (other / "whole.tar.gz").write_bytes(b"")
    assert cli.main(["data", "inspect", str(shards), str(other), "--out", str(page)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("7 samples in 2 tars; 7 were read") and "whole.tar.gz" in out
    known = json.loads(page.with_suffix(".json").read_text())
    assert known["folders"] == [str(shards), str(other)] and known["exact"] == [[3, 6]]
    text = html.unescape(page.read_text(encoding="utf-8"))
    assert f'{other}/00000.tar: sample "000000000"' in text and "<h1>set, other" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "say what to look at: majolica data inspect DIR"),
        (["SET", "SET/../set"], "is named twice"),
        (["nowhere"], "there is no folder nowhere"),
        (["SET", "--out", "page.txt"], "a name that ends in .html"),
        (["SET", "--distance", "17"], "between 0 and 16"),
        (["SET", "--limit", "-1"], "must not be negative"),
        (["SET", "--length", "1"], "--length is 1"),
        (["SET", "--recipe", "dmeo"], "did you mean 'demo'"),
        (["SET", "--tokenizer", "none.model"], "cannot read the tokenizer none.model"),
        (["SET", "--out", "/dev/null/x/page.html"], "cannot write"),
    ],
)
def test_mistakes(
    shards: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    monkeypatch.chdir(shards.parent)
    assert cli.main(["data", "inspect", *[word.replace("SET", str(shards)) for word in words]]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


LONG = "a dolphin beside a guitar and a rocket on a red table in a garden"


@pytest.fixture
def worded(shards: Path) -> Path:
    picture = ShardSet(shards).read(0).image
    captions = ["a dolphin", "A Dolphin", " a  dolphin", "a guitar", "a guitar, red", LONG]
    write_shards(shards.parent / "worded", (Record(picture, "png", caption, {}) for caption in captions))
    return shards.parent / "worded"


def test_captions_that_a_model_cuts_are_counted(
    worded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    train_tokenizer(["a dolphin", "a guitar", LONG] * 9, tmp_path / "t.model", 300)
    longest = Tokenizer(tmp_path / "t.model").lengths([LONG])[0]
    look = ["data", "inspect", str(worded)]
    assert cli.main([*look, "--tokenizer", "t.model"]) == 0
    assert "longer than" not in capsys.readouterr().out  # than the reference recipe's 64
    assert cli.main([*look, "--tokenizer", "t.model", "--length", str(longest - 1)]) == 0
    line = f"16.7% of 6 captions are longer than {longest - 1} pieces, and their ends are left out"
    assert line in capsys.readouterr().out and line in (tmp_path / "inspect.html").read_text()
    # Without a tokenizer the words are a bound from below.
    assert cli.main([*look, "--length", str(len(LONG.split()))]) == 0
    assert f"at least 1 of 6 captions is longer than {len(LONG.split())} pieces" in capsys.readouterr().out
    assert cli.main([*look, "--recipe", "demo"]) == 0
    assert "longer than" not in capsys.readouterr().out


def test_a_run_says_with_what_and_how_much_is_read(
    worded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    assert cli.main(["data", "inspect", str(worded), "--tokenizer", "run"]) == 2
    assert "no run in run" in capsys.readouterr().err
    io_config.save_config(tiny_run(worded), tmp_path / "run" / "config.yaml")  # reads 12 pieces
    train_tokenizer(["a dolphin", "a guitar", LONG] * 9, tmp_path / "run" / "tokenizer.model", 300)
    assert cli.main(["data", "inspect", str(worded), "--tokenizer", "run"]) == 0
    assert "are longer than 12 pieces" in capsys.readouterr().out


def test_captions_that_differ_in_case_alone_are_shared(
    worded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["data", "inspect", str(worded)]) == 0
    assert json.loads((tmp_path / "inspect.json").read_text())["same_captions"] == 3


def test_a_full_disk(shards: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import os

    monkeypatch.chdir(shards.parent)
    assert cli.main(["data", "index", str(shards)]) == 0

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert cli.main(["data", "inspect", str(shards), "--out", "page.html"]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert [path.name for path in shards.parent.iterdir()] == ["set"]
