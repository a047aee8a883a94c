"""Samples whose caption says nothing: counted, said, and left out or kept, with the reading order exact either way."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from majolica import cli
from majolica.config.data import DataConfig
from majolica.data.loading.loader import Loader, LoaderSizes
from majolica.data.store import caption_text
from majolica.data.store.index import open_index
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError
from tars import tar

Picture = Callable[..., bytes]


@pytest.fixture
def folder(tmp_path: Path, picture: Picture) -> Path:
    """Thirty samples in two tars; the caption of every third is empty in one way or another."""
    blanks = ["", " \n", "\u200b\ufeff"]
    words = [blanks[i // 3 % 3] if i % 3 == 0 else f"number {i}" for i in range(30)]
    records = (Record(picture(i, 8, 8), "png", text, {"label": i}) for i, text in enumerate(words))
    write_shards(tmp_path / "set", records, per_shard=17)
    return tmp_path / "set"


def test_left_out_or_kept(folder: Path) -> None:
    skip, keep = ShardSet(folder), ShardSet(folder, empty_captions="keep")
    numbers = [i for i in range(30) if i % 3]
    assert [skip.read(i).meta["label"] for i in range(len(skip))] == numbers
    assert [keep.read(i).meta["label"] for i in range(len(keep))] == list(range(30))
    assert [keep.caption(i) for i in (0, 1, 3, 6)] == ["", "number 1", "", ""]
    assert skip.empty == keep.empty == 10 and skip.manifest != keep.manifest
    assert len(skip.dimensions()) == 20 and len(keep.dimensions()) == 30
    assert open_index(folder / "00000.tar").empty == 6


def test_a_second_look_reads_no_caption(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ShardSet(folder)
    monkeypatch.setattr(caption_text, "is_blank", lambda text: pytest.fail("it is known"))
    assert ShardSet(folder).manifest == first.manifest and len(ShardSet(folder)) == 20


def test_the_order_is_that_of_a_set_without_them(folder: Path, tmp_path: Path) -> None:
    """Training reads what it would read, in the same order, had the empty ones never been there."""
    keep = ShardSet(folder, empty_captions="keep")
    kept = [keep.read(i) for i in range(30) if i % 3]
    write_shards(tmp_path / "clean", kept, per_shard=1000)

    def labels(shards: Path) -> list[int]:
        with Loader(DataConfig(shards=str(shards), threads=0), 5, LoaderSizes(8), seed=3) as loader:
            return [number for _ in range(9) for number in next(loader).images_B3HW[:, 0, 0, 0].tolist()]

    assert labels(folder) == labels(tmp_path / "clean")


def test_the_start_of_training_says_so(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    for empty_captions, what, size in (("skip", "left out", 20), ("keep", "kept", 30)):
        caplog.clear()
        config = DataConfig(shards=str(folder), empty_captions=empty_captions)  # type: ignore[arg-type]
        with caplog.at_level(logging.WARNING), Loader(config, 4, LoaderSizes(8), 0) as loader:
            assert len(loader) == size
        assert f"10 of 30 captions in {folder} are empty: such samples are {what}" in caplog.text
        with Loader(config, 4, LoaderSizes(8), 0, rank=1, world=2):
            assert caplog.text.count("captions in") == 1  # one process says it


def test_nothing_but_empty_captions(tmp_path: Path, picture: Picture) -> None:
    write_shards(tmp_path / "set", [Record(picture(1, 8, 8), "png", "", {})])
    with pytest.raises(UserError, match=r"every caption in .* is empty \(1 in all\).*--data\.empty-captions keep"):
        ShardSet(tmp_path / "set")
    assert len(ShardSet(tmp_path / "set", empty_captions="keep")) == 1


def test_index_inspect_and_tokenizer_say_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "index", str(folder), "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert "00000.tar  17 samples; 6 captions are empty" in said and "\n10 captions are empty: training leaves" in said
    page = str(folder.parent / "page.html")
    assert cli.main(["data", "inspect", str(folder), "--workers", "1", "--out", page]) == 0
    said = capsys.readouterr().out
    assert "30 samples in 2 tars; 30 were read" in said and "10 of 30 captions are empty: training leaves" in said
    model = str(folder.parent / "t.model")
    assert cli.main(["data", "tokenizer", str(folder), "--vocab", "290", "--out", model]) == 0
    said = capsys.readouterr().out
    assert "10 of 30 captions" in said and "from 20 of 20 captions" in said


def test_the_first_that_is_not_blank(tmp_path: Path) -> None:
    members = {
        "a.jpg": b"a", "a.txt": b"", "a.caption": b"beside",
        "b.jpg": b"b", "b.json": b'{"caption": "", "text": "four"}', "b.txt": b" ",
        "c.jpg": b"c", "c.json": b'{"caption": " ", "text": ""}',
        "d.json": b'{"caption": "one"}', "d.jpg": b"d",
        "e.jpg": b"e", "e.txt": b"\n", "e.json": b"[1]",
    }  # fmt: skip
    tar(tmp_path / "a.tar", list(members.items()))
    shards = ShardSet(tmp_path, empty_captions="keep")
    assert [shards.read(i).caption for i in range(5)] == ["beside", "four", "", "one", ""]
    assert shards.empty == 2 and len(ShardSet(tmp_path)) == 3
