"""What a run says before its first step."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from PIL import Image

from majolica.config.data import DataConfig
from majolica.config.model import ModelConfig
from majolica.config.run import RunConfig
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet
from majolica.launch.notices import list_notices
from picture_files import encoded


def wide_png() -> bytes:
    return encoded(Image.new("RGB", (40, 20)), "PNG")


def test_notices_name_what_is_cut_and_what_is_mirrored(tmp_path: Path) -> None:
    write_shards(tmp_path / "s", [Record(wide_png(), "png", "turn left", {}) for _ in range(4)])
    loader = SimpleNamespace(sets=[ShardSet(tmp_path / "s")], order=SimpleNamespace(shapes=[]))
    config = RunConfig(model=ModelConfig(resolution=32), data=DataConfig(shards=str(tmp_path / "s")))
    said = list_notices(config, loader, None)  # type: ignore[arg-type]
    assert len(said) == 2 and "32 x 32" in said[0] and "--data.no-flip" in said[1]
