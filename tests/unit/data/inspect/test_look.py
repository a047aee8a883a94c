"""What inspect says of shards whose content is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from majolica.config.engine import EngineConfig
from majolica.data.inspect import look
from majolica.data.inspect.look import Look, choose_samples, inspect_shards
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.errors import UserError
from pages import read_page
from picture_files import encoded
from tars import tar


def jpeg(pixels: np.ndarray, quality: int = 90) -> bytes:
    return encoded(pixels, quality=quality)


def drawing(seed: int, height: int = 90, width: int = 120) -> np.ndarray:
    """Something with shapes, so that perceptual hashes tell two of them apart."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixteen samples: 0-9 plain, 10 a copy of 3, 11 and 12 like 5, 13 broken, 14 without words, 15 hostile words."""
    records = [Record(jpeg(drawing(i)), "jpg", f"a drawing of thing {i}", {"score": i / 10}) for i in range(10)]
    records.append(records[3])
    records.append(Record(jpeg(drawing(5), 60), "jpg", "nearly 5", {"score": 1.0}))
    records.append(Record(jpeg(drawing(5, 45, 60)), "jpg", "small 5", {}))
    records.append(Record(b"\xff\xd8 no picture", "jpg", "broken", {}))
    records.append(Record(jpeg(drawing(14)), "jpg", "", {}))
    records.append(Record(jpeg(drawing(15)), "jpg", "<script>alert(1)</script>\x00 'x' \"y\" " + "long " * 20_000, {}))
    write_shards(tmp_path / "set", records, per_shard=6)
    return tmp_path / "set"


def test_numbers(folder: Path, tmp_path: Path) -> None:
    ticks: list[tuple[int, int]] = []
    engine = EngineConfig()
    inspect_shards([str(folder)], tmp_path / "page.html", Look(limit=0), engine, lambda *tick: ticks.append(tick))
    known = json.loads((tmp_path / "page.json").read_text())
    assert known["tars"]["samples"] == 16 and known["tars"]["count"] == 3 and known["measured"] == 16
    assert known["tars"]["bytes"] == sum(path.stat().st_size for path in folder.glob("*.tar"))
    assert known["broken"] == {"picture cannot be decoded": 1} and known["formats"] == {"jpg": 15}
    assert known["exact"] == [[3, 10]] and known["near"] == [[5, 11, 12]]
    assert known["same_captions"] == 2 and known["empty_captions"] == 1
    sides = known["quantiles"]["shorter_side"]
    assert (sides["min"], sides["median"], sides["max"]) == (45, 90, 90)
    assert known["quantiles"]["aspect"]["mean"] == pytest.approx(4 / 3)
    assert known["quantiles"]["caption_words"]["max"] == 20_003
    assert known["fields"]["score"]["count"] == 12
    assert (known["fields"]["score"]["min"], known["fields"]["score"]["max"]) == (0.0, 1.0)
    assert any("1 picture (6.7%) is a copy of another" in remark for remark in known["remarks"])
    assert any("1 x picture cannot be decoded" in remark for remark in known["remarks"])
    assert ticks[-1] == (16, 16)


def test_the_page_is_whole_and_safe(folder: Path, tmp_path: Path) -> None:
    inspect_shards([str(folder)], tmp_path / "page.html", Look(), EngineConfig())
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    tags = read_page(text).tags
    assert tags["svg"] == 6 and tags["img"] == 15 + 2 + 3
    assert "&lt;script&gt;" in text and "\x00" not in text
    for title in ("What stands out", "Pictures", "Sizes", "Captions", "Seen twice", "Not usable", "Metadata"):
        assert f"<h2>{title}</h2>" in text
    assert escape(f'{folder}/00002.tar: sample "000020001"') in text  # the broken one, by its tar and its key
    assert len(text) < 400_000  # a caption of 100 kB is cut short


def test_the_same_page_whatever_the_workers(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "_TOGETHER", 2)
    pages = []
    for workers in (1, 2):
        inspect_shards([str(folder)], tmp_path / "page.html", Look(limit=9, pictures=4), EngineConfig(workers=workers))
        pages.append((tmp_path / "page.html").read_bytes())
    assert pages[0] == pages[1]


def test_a_draw_is_uniform_and_repeats() -> None:
    assert choose_samples(5, 0, 0) == range(5) == choose_samples(5, 9, 0)
    counts = np.bincount(np.concatenate([choose_samples(20, 5, seed) for seed in range(2000)]), minlength=20)
    assert counts.min() > 430 and counts.max() < 570  # 500, standard deviation 19
    assert choose_samples(10**9, 3, 7) == choose_samples(10**9, 3, 7) == sorted(choose_samples(10**9, 3, 7))


def test_damaged_tars_are_shown(folder: Path, tmp_path: Path) -> None:
    cut = folder / "00001.tar"
    cut.write_bytes(cut.read_bytes()[:-11_000])
    picture = jpeg(drawing(99))
    tar(folder / "other.tar", [("a.jpg", picture), ("b.jpg", picture), ("b.txt", b"words")])
    summary = inspect_shards([str(folder)], tmp_path / "page.html", Look(), EngineConfig())
    assert summary.tars.truncated == ("00001.tar",) and summary.tars.left_out == {"no caption": 1}
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "tar ends early or is damaged" in text and "no caption (left out by the index)" in text


def test_a_name_that_is_not_utf8_is_shown_as_bytes(folder: Path, tmp_path: Path) -> None:
    other = folder.with_name("set\udcff")
    folder.rename(other)
    inspect_shards([str(other)], tmp_path / "page.html", Look(pictures=1), EngineConfig())
    assert "<h1>set\\udcff</h1>" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_nothing_to_see(tmp_path: Path, write: Callable[..., Path]) -> None:
    page = tmp_path / "page.html"
    with pytest.raises(UserError, match="there is no folder"):
        inspect_shards([str(tmp_path / "nowhere")], page, Look(), EngineConfig())
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no \.tar files"):
        inspect_shards([str(tmp_path / "empty")], page, Look(), EngineConfig())
    with pytest.raises(UserError, match=r"none of 3 samples in .* can be read \(3 x picture cannot be decoded\)"):
        inspect_shards([str(write(3, bad=frozenset(range(3))))], page, Look(), EngineConfig())
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*page.json"):
        inspect_shards([str(write(2))], tmp_path / "file/page.html", Look(), EngineConfig())
    assert not page.exists()


def test_numbers_that_no_float_holds_are_left_out_of_the_range(tmp_path: Path) -> None:
    values = [3, 10**400, -(10**400), float("nan"), float("inf"), 5]
    records = [
        Record(jpeg(drawing(i)), "jpg", f"thing {i}", {"n": value, "lost": float("nan")})
        for i, value in enumerate(values)
    ]
    write_shards(tmp_path / "set", records, per_shard=6)
    inspect_shards([str(tmp_path / "set")], tmp_path / "page.html", Look(), EngineConfig())
    known = json.loads((tmp_path / "page.json").read_text(), parse_constant=lambda word: pytest.fail(word))
    assert known["fields"]["n"] == {"count": 6, "example": "3", "min": 3, "max": 5}
    assert known["fields"]["lost"] == {"count": 6, "example": "nan"}
