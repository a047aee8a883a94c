"""Nothing is lost in silence: what cannot be used is named, file by file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gathered import config, records, skipped
from majolica.data.folder.gather import gather
from majolica.errors import UserError

Picture = Callable[..., bytes]


def test_what_cannot_be_used_is_named(folder: Path, picture: Picture) -> None:
    image = picture(1, 8, 8)
    for name, data, caption in (
        ("none.png", image, None),
        ("blank.png", image, b" \n"),
        ("latin.png", image, "Zürich".encode("latin-1")),
        ("empty.png", b"", b"x"),
        ("text.jpg", b"this is no picture", b"x"),
        ("cut.jpg", picture(1, 64, 64, "jpg")[:300], b"x"),
        ("photo.heic", b"\0\0\0\x18ftypheic" + bytes(50), b"x"),
        ("huge.png", picture(1, 200, 200), b"x"),
        ("small.png", picture(1, 8, 5), b"x"),
        ("folder.png", None, b"x"),
        ("dangling.png", "nowhere", b"x"),
        ("._hidden.png", image, b"x"),
        ("notes.md", b"", None),
        ("broken.png", image, None),
        ("list.png", image, b" "),
    ):
        path = folder / name
        if isinstance(data, bytes):
            path.write_bytes(data)
        elif data:
            path.symlink_to(data)
        else:
            path.mkdir()
            (path / "loop").symlink_to(folder)
        if caption is not None:
            path.with_suffix(".txt").write_bytes(caption)
    (folder / "broken.json").write_text('{"caption": "a fox"')
    (folder / "list.json").write_text("[1]")
    report = gather(config(folder, min_side=6, max_megapixels=0.03))
    assert skipped(folder.parent / "out") == {
        "none.png": "no_caption",
        "blank.png": "empty_caption",
        "broken.png": "unusable_json",
        "list.png": "unusable_json",
        "latin.png": "caption_not_utf8",
        "empty.png": "empty",
        "text.jpg": "not_a_picture",
        "cut.jpg": "damaged",
        "photo.heic": "not_a_picture",
        "huge.png": "too_many_pixels",
        "small.png": "too_small",
        "dangling.png": "missing",
    }
    assert report.skipped["no_caption"] == 1 and report.skipped.keys() == set(skipped(folder.parent / "out").values())
    assert len(records(folder.parent / "out")) == 10
    assert "broken.json is no JSON: Expecting ',' delimiter: line 1 column 20" in said(folder.parent / "out")
    assert "list.json is JSON, but no object with a field caption" in said(folder.parent / "out")


def said(out: Path) -> str:
    return (out / "skipped.jsonl").read_text()


def test_pipes_are_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.jpg")
    (folder / "pipe.txt").write_text("words")
    (folder / "part1/4.txt").unlink()
    os.mkfifo(folder / "part1/4.txt")
    os.mkfifo(folder / "part1/1.json")
    gather(config(folder))
    assert skipped(folder.parent / "out") == {"pipe.jpg": "unreadable", "part1/4.png": "unreadable"}
    assert len(records(folder.parent / "out")) == 9


def test_bad_places(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UserError, match=r"there is no .*nowhere"):
        gather(config(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="there are no pictures in"):
        gather(config(tmp_path / "empty"))
    (tmp_path / "empty" / "00000.tar").touch()
    advice = f"but tars (1): training reads tars of captioned pictures as they are, and `majolica data index {tmp_path}"
    with pytest.raises(UserError, match=re.escape(advice)):
        gather(config(tmp_path / "empty"))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*Not a directory"):
        gather(replace(config(folder), out=str(tmp_path / "file/out")))
    for path in folder.rglob("*.txt"):
        path.unlink()
    with pytest.raises(UserError, match=r"no picture in .* can be used \(10 x no_caption\)"):
        gather(config(folder))
