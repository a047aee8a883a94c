"""Captions and metadata as tars of others have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from majolica.data.pictures.faults import BadSample
from majolica.data.store.index import open_index
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError
from tars import samples, tar


def test_captions_as_they_come(tmp_path: Path) -> None:
    long = "ä" * 50_000
    texts = [b"\xff\xfe bad", b"a\x00b", long.encode(), b"", "日本 🦩".encode(), b"\xef\xbb\xbfbom", b"a\r\nb"]
    members = [(f"{i}.{kind}", text) for i, text in enumerate(texts) for kind, text in (("jpg", b"p"), ("txt", text))]
    shards = ShardSet(tar(tmp_path / "a.tar", members).parent, empty_captions="keep")
    assert len(shards) == len(texts)
    with pytest.raises(BadSample, match="UTF-8"):
        shards.read(0)
    assert shards.caption(0) == "\ufffd\ufffd bad"
    assert [shards.read(i).caption for i in range(1, 6)] == ["a\x00b", long, "", "日本 🦩", "\ufeffbom"]


def test_captions_of_other_names(tmp_path: Path) -> None:
    """.caption, .text, or a field of the .json; .txt is preferred where there are several."""
    members = [
        ("a.jpg", b"p"), ("a.caption", b"one"),
        ("b.jpg", b"p"), ("b.json", b'{"caption": "not this", "n": 1}'), ("b.TEXT", b"two"),
        ("c.jpg", b"p"), ("c.caption", b"not this"), ("c.txt", b"three"),
        ("d.json", b'{"text": "f\\u00fcnf \\u65e5", "n": 4}'), ("d.jpg", b"p"),
        ("e.jpg", b"p"), ("e.json", b'{"caption": null, "text": "six"}'),
        ("f.jpg", b"p"), ("f.json", b'{"caption": 7}'),
        ("g.jpg", b"p"), ("g.json", b"{"),
        ("h.jpg", b"p"), ("h.json", b'"just text"'),
        ("i.jpg", b"p"), ("i.json", b'{"caption": "\\ud800"}'),
        ("j.jpg", b"p"), ("j.json", b"[" * 100_000),
    ]  # fmt: skip
    path = tar(tmp_path / "a.tar", members)
    assert [caption for _, caption in samples(path)] == ["one", "two", "three", "fünf 日", "six", ""]
    shards = ShardSet(tmp_path)
    assert shards.read(3).meta["n"] == 4 and shards.caption(3) == "fünf 日"
    assert open_index(path).reasons == {"no caption": 4}
    only = [("a.jpg", b"p"), ("a.json", b'{"caption": "in json"}'), ("b.jpg", b"p"), ("b.json", b'{"caption": "too"}')]
    assert samples(tar(path, only)) == [(b"p", "in json"), (b"p", "too")]
    tar(path, [("a.jpg", b"p"), ("a.json", b'{"label": 1}')])
    path.with_suffix(".mjidx").unlink()
    with pytest.raises(UserError, match="1 picture but no captions"):
        open_index(path)


def test_metadata_that_is_no_mapping(tmp_path: Path) -> None:
    """Nobody needs it where the caption stands elsewhere: the sample is used without it, and that can be counted."""
    for meta in (b"[1]", b"[" * 100_000, b"\xff", b"NaN", b"7", b'"words"', b"", b"null"):
        tar(tmp_path / "a.tar", [("a.jpg", b"p"), ("a.txt", b"c"), ("a.json", meta)])
        (tmp_path / "a.mjidx").unlink(missing_ok=True)
        record = ShardSet(tmp_path).read(0)
        assert (record.caption, record.meta) == ("c", {})
        assert bool(record.fault) == bool(meta), meta
