"""Where captions come from, and what becomes of pictures that have none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gathered import config, records
from majolica.data.folder.gather import gather
from majolica.data.store.shards import ShardSet


def test_captions_from_elsewhere(folder: Path) -> None:
    (folder / "part1/1.txt").unlink()
    (folder / "part1/1.json").write_text('{"caption": "from json", "label": 3, "width": 99}')
    (folder / "part1/4.txt").unlink()
    (folder / "part1/7.txt").rename(folder / "part1/blue_sky-2.txt")
    (folder / "part1/7.png").rename(folder / "part1/red_sky-2.png")
    gather(config(folder, caption=("given", "folder")))
    found = {record.meta["path"]: record for record in records(folder.parent / "out")}
    assert found["part1/1.png"].caption == "from json"
    assert found["part1/1.png"].meta["label"] == 3 and found["part1/1.png"].meta["source_width"] == 99
    assert found["part1/4.png"].caption == "part1"
    gather(replace(config(folder, caption=("name",)), out=str(folder.parent / "names")))
    assert "red sky 2" in [record.caption for record in records(folder.parent / "names")]


def test_pictures_without_a_caption(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counted, with the option that gives them one; or kept, where that is what the user wants."""
    from majolica import cli

    (folder / "part1/1.txt").write_text("\u200b \x00")
    (folder / "part1/4.txt").unlink()
    (folder / "part1/7.txt").write_text("")
    (folder / "part1/7.json").write_text('{"caption": "", "text": "four"}')
    out = folder.parent / "out"
    assert cli.main(["data", "shard", str(folder), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "left out: 1 x empty_caption, 1 x no_caption" in said
    assert "captions come from the .txt beside each picture: `--caption given name`" in said
    assert "four" in [record.caption for record in records(out)] and len(records(out)) == 8
    gather(replace(config(folder, caption=("given", "empty")), out=str(folder.parent / "kept")))
    kept = ShardSet(folder.parent / "kept", empty_captions="keep")
    assert len(kept) == 10 and kept.empty == 2
