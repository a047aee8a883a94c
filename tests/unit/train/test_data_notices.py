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
from majolica.launch.rank import say_notices
from picture_files import encoded


def wide_png() -> bytes:
    return encoded(Image.new("RGB", (40, 20)), "PNG")


def test_notices_reach_the_log(tmp_path: Path) -> None:
    write_shards(tmp_path / "s", [Record(wide_png(), "png", "turn left", {}) for _ in range(4)])
    loader = SimpleNamespace(sets=[ShardSet(tmp_path / "s")], order=SimpleNamespace(shapes=[]))
    config = RunConfig(model=ModelConfig(resolution=32), data=DataConfig(shards=str(tmp_path / "s")))
    said: list[str] = []
    say_notices(SimpleNamespace(config=config, feed=SimpleNamespace(loader=loader)), said.append)  # type: ignore[arg-type]
    assert len(said) == 2 and "32 x 32" in said[0] and "--data.no-flip" in said[1]
