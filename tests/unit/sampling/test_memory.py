"""A picture that does not fit into memory is refused before it is painted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from majolica.activation.tape import Tape
from majolica.config.model import DecoderConfig
from majolica.config.picture_size import PictureSize
from majolica.errors import UserError
from majolica.machine import free_memory
from majolica.models.decoder import PixelDecoder
from majolica.models.interpolation import Window
from majolica.sampling import memory
from majolica.sampling.guidance import Guidance
from majolica.sampling.memory import check_memory, decoder_bytes, needed_bytes
from majolica.sampling.pipeline import Pipeline
from majolica.sampling.request import PaintSettings

CPU = torch.device("cpu")


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("width", [16, 32, 64])
def test_the_formula_is_what_a_trace_counts(stride: int, width: int) -> None:
    config = DecoderConfig(stride=stride, width=width)
    with FakeTensorMode(), torch.no_grad():
        decoder = PixelDecoder(config, 768)
        known = torch.randn(1, 16, 16, 768), torch.randn(1, 3, 256, 256), torch.randn(1, 3, 1024, 1024)
        with Tape([*decoder.parameters(), *known]) as tape:
            decoder.predict_details(*known, Window.whole(1, 4, CPU))
    assert tape.peak / 1024**2 == pytest.approx(decoder_bytes(config), rel=0.15)


def test_what_does_not_fit_is_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = PaintSettings(PictureSize(2048, 2048, 8), (0.0, 1.0), Guidance(), "heun", None)

    def check(settings: PaintSettings, batch: int) -> None:
        check_memory(needed_bytes(settings, batch, DecoderConfig()), settings, batch, CPU)

    monkeypatch.setattr(memory, "free_memory", lambda: 10**9)
    with pytest.raises(UserError, match=r"painting 2048 needs about 1\.8 GB .* and 1\.0 GB are free: use tiles"):
        check(settings, 1)
    check(replace(settings, tile=512), 1)
    with pytest.raises(UserError, match="use a smaller batch or a smaller size"):
        check(replace(settings, tile=512), 4)
    small = replace(settings, size=PictureSize(512, 512, 2))
    with pytest.raises(UserError, match="use a smaller batch or a smaller size"):  # no tile of 512 px is smaller
        check(small, 100)
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    check(settings, 100)


@pytest.mark.filterwarnings("ignore::majolica.errors.Notice")
def test_painting_asks_beforehand(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 1000)
    with pytest.raises(UserError, match="painting 32 needs"):
        pipeline.paint("a fox", size=32, steps=1)
    with pytest.raises(UserError, match=r"use a smaller size$"):  # one picture is no batch
        pipeline.paint("a fox", size=32, steps=1, batch=8)
    assert pipeline.paint("a fox", steps=1).shape[2] == 16, "the base picture is never refused"
    monkeypatch.setattr(memory, "free_memory", lambda: 10**12)
    pipeline.paint("a fox", size=32, steps=1)
    monkeypatch.setattr(memory, "free_memory", lambda: 1000)
    pipeline.paint("a fox", size=32, steps=1)  # what has fitted fits again
    with pytest.raises(UserError, match="painting 48 needs"):
        pipeline.paint("a fox", size=48, steps=1)


def test_free_memory_is_the_least_of_system_and_groups(tmp_path: Path) -> None:
    meminfo, membership, group = tmp_path / "meminfo", tmp_path / "cgroup", tmp_path / "root" / "a" / "b"
    group.mkdir(parents=True)
    meminfo.write_text("MemTotal: 900 kB\nMemAvailable:     500 kB\n")
    membership.write_text("0::/a/b\n")
    asked = (meminfo, tmp_path / "root", membership)
    assert free_memory(*asked) == 500 * 1024
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("7\n")
    (group.parent / "memory.max").write_text("300000\n")
    (group.parent / "memory.current").write_text("250000\n")
    assert free_memory(*asked) == 50_000
    (group.parent / "memory.stat").write_text("anon 100000\ninactive_file 90000\nactive_file 60000\n")
    assert free_memory(*asked) == 200_000, "files in the page cache can go"
    assert free_memory(tmp_path / "none", tmp_path / "none", tmp_path / "none") is None
