"""`majolica data inspect` from the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from majolica import cli
from majolica.data.shards import Record, write_shards


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    def picture(i: int) -> bytes:
        out = io.BytesIO()
        Image.new("RGB", (30, 20), (50 * i, 0, 0)).save(out, "PNG")
        return out.getvalue()

    write_shards(tmp_path / "set", (Record(picture(i), "png", f"number {i}", {}) for i in range(5)))
    return tmp_path / "set"


def test_a_page_and_its_numbers(shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = shards.parent / "deep/page.html"
    assert cli.main(["data", "inspect", str(shards), "--out", str(page), "--limit", "4", "--pictures", "2"]) == 0
    assert page.read_text(encoding="utf-8").count("<img") >= 2
    assert json.loads(page.with_suffix(".json").read_text())["measured"] == 4
    out = capsys.readouterr().out
    assert out.startswith("5 samples in 1 tars; 4 were read") and out.endswith(f"{page}\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere"], "there is no folder nowhere"),
        (["SET", "--out", "page.txt"], "a name that ends in .html"),
        (["SET", "--distance", "17"], "between 0 and 16"),
        (["SET", "--limit", "-1"], "must not be negative"),
        (["SET", "--out", "/dev/null/x/page.html"], "cannot write"),
    ],
)
def test_mistakes(
    shards: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    monkeypatch.chdir(shards.parent)
    assert cli.main(["data", "inspect", *[str(shards) if word == "SET" else word for word in words]]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


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
