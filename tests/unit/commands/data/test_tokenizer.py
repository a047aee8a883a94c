"""`majolica data tokenizer` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from majolica import cli
from majolica.data.pictures.faults import BadSample
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet
from majolica.text.tokenizer import Tokenizer

COLOURS = ("teal", "dark green", "yellow", "grey", "crimson")
THINGS = ("dolphin", "red apple", "car", "bicycle", "guitar", "mushroom", "octopus", "pizza", "rocket")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    words = [f"a {thing} on {colour} {i}" for i in range(3) for thing in THINGS for colour in COLOURS]
    words += ["日本", "", "nul\x00byte " * 10_000]
    write_shards(tmp_path / "one", (Record(b"p", "jpg", text, {}) for text in words[:70]), per_shard=30)
    write_shards(tmp_path / "two", (Record(b"p", "jpg", text, {}) for text in words[70:]), per_shard=30)
    return tmp_path


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_from_shards_to_a_model(folder: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    words = f"data tokenizer one two --out t/my.model --vocab 290 --kind {kind}"
    assert cli.main(words.split()) == 0
    tokenizer = Tokenizer(folder / "t/my.model")
    assert tokenizer.vocab == 290
    report = json.loads((folder / "t/my.report.json").read_text())
    assert (report["kind"], report["pieces"], report["captions"], report["captions_in_all"]) == (kind, 290, 137, 137)
    assert 2 < report["pieces_median"] < 30 and 0 < report["share_of_bytes"] < 0.05
    assert report["share_longer_than_64"] == pytest.approx(1 / 137, abs=1e-4)
    assert report["train_seconds"] > 0
    out = capsys.readouterr().out
    assert (
        "t/my.model: 290 pieces from 137 of 137 captions" in out
        and "1 of 68 captions in two is empty" in out
        and "pieces a caption" in out
    )


def test_the_same_draw_gives_the_same_file(folder: Path) -> None:
    files = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert cli.main(f"data tokenizer one two --out {name}.model --vocab 300 --sample 60 --seed {seed}".split()) == 0
        files.append((folder / f"{name}.model").read_bytes())
    assert files[0] == files[1] != files[2]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "say whose captions"),
        ("nowhere", "there is no folder nowhere"),
        ("empty", "holds no .tar files"),
        ("one --vocab 100", "ask for more"),
        ("one --sample 0", "must be at least 1"),
        ("one --length 1", "--length is 1"),
        ("one --recipe dmeo", "did you mean 'demo'"),
        ("one --out one/00000.tar", "exists, and something may depend on it: move it away"),
        ("one --out tok.txt", "cannot write tok.txt: name a file that ends in .model"),
        ("one --vocab 300 --out one/00000.tar/t.model", "cannot write one/00000.tar/t.model"),
    ],
)
def test_mistakes(folder: Path, capsys: pytest.CaptureFixture[str], words: str, says: str) -> None:
    (folder / "empty").mkdir()
    assert cli.main(["data", "tokenizer", *words.split()]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert says in errors[-1] and errors[-1].startswith("majolica: ")
    assert not (folder / "tokenizer.model").exists()


def test_shards_without_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_shards(folder / "mute", (Record(b"p", "jpg", " ", {}) for _ in range(3)))
    assert cli.main(["data", "tokenizer", "mute"]) == 2
    assert "every caption in mute is empty (3 in all)" in capsys.readouterr().err


def test_a_full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import os

    assert cli.main(["data", "index", "one"]) == 0

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert cli.main(["data", "tokenizer", "one", "--vocab", "300"]) == 2
    assert "cannot write tokenizer.model: No space left on device" in capsys.readouterr().err
    assert not list(folder.glob("*.model*")) and not list(folder.glob(".*"))


def test_captions_are_measured_against_what_the_recipe_reads(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "tokenizer", "one", "two", "--out", "a.model", "--vocab", "290", "--recipe", "demo"]) == 0
    report = json.loads((folder / "a.report.json").read_text())
    assert report["share_longer_than_24"] == pytest.approx(1 / 137, abs=1e-4)
    assert "do not fit into 24" in capsys.readouterr().out
    assert cli.main(["data", "tokenizer", "one", "--out", "b.model", "--vocab", "290", "--length", "4"]) == 0
    out = capsys.readouterr().out
    assert "of 70 captions are longer than 4 pieces, and their ends are left out (" in out
    assert json.loads((folder / "b.report.json").read_text())["share_longer_than_4"] > 0.9


def test_the_vocabulary_is_that_of_the_recipe(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The demo's captions are few: 512 pieces are asked for, and what they support is made, and said."""
    assert cli.main(["data", "tokenizer", "one", "two", "--out", "a.model", "--recipe", "demo"]) == 0
    vocab = Tokenizer(folder / "a.model").vocab
    assert 260 < vocab < 512
    line = f"the tokenizer was asked for 512 pieces (--vocab), and the captions yielded {vocab}, because they hold"
    assert capsys.readouterr().out.count(line) == 1
    assert cli.main(["data", "tokenizer", "one", "two", "--out", "b.model", "--vocab", "290"]) == 0
    assert "was asked for" not in capsys.readouterr().out


def test_an_unreadable_tar_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = ShardSet.caption

    def caption(self: ShardSet, i: int) -> str:
        if self.folder == "two" and i < 30:
            raise BadSample("tar cannot be read")
        return whole(self, i)

    monkeypatch.setattr(ShardSet, "caption", caption)
    assert cli.main(["data", "tokenizer", "one", "two", "--out", "a.model", "--vocab", "290"]) == 0
    printed = capsys.readouterr()
    assert "left out: 30 x tar cannot be read" in printed.out and "Traceback" not in printed.err
    assert json.loads((folder / "a.report.json").read_text())["captions"] == 107
