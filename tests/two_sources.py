"""A mixture of two sources of training data, which a property can tell apart by name."""

from pathlib import Path

from PIL import Image

from majolica.config.data import SourceConfig
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from picture_files import encoded


def write(folder: Path, grey: int, **meta: str) -> str:
    """Six pictures of one grey."""
    picture = encoded(Image.new("RGB", (32, 32), (grey, grey, grey)))
    write_shards(folder, (Record(picture, "jpg", f"a fox {i}", dict(meta)) for i in range(6)), per_shard=20)
    return str(folder)


def mix_sources(home: Path) -> tuple[SourceConfig, ...]:
    """Twice as many pictures of a folder without the column as of one with it."""
    return (
        SourceConfig(write(home / "Coyo" / "train", 40), 2.0),
        SourceConfig(write(home / "other", 200, source="LAION"), 1.0),
    )
