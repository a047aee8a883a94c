"""What `majolica data shard` packs, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from majolica.config.bounds import above, at_least, at_most, check_ranges
from majolica.config.data import MOST_MEGAPIXELS
from majolica.config.engine import EngineConfig
from majolica.errors import UserError


@dataclass(frozen=True)
class ShardConfig:
    """From a folder or a table of local pictures to shards."""

    source: str = ""
    """A folder of pictures, with its subfolders, or a .parquet, .csv, .tsv or .jsonl file of paths and captions."""
    out: str = ""
    """Folder for the shards."""
    per_shard: Annotated[int, at_least(1)] = 1000
    """Pictures in a shard; those that cannot be used count as well."""
    caption: tuple[Literal["given", "name", "folder", "empty"], ...] = ("given",)
    """Where captions come from, in order of preference. `given` is the .txt beside a picture (or the field caption or
    text of its .json), or the column of a table. `name` is the name of the file, `folder` the name of its folder.
    `empty` is no caption, for training with --data.empty-captions keep. A picture that gets no caption from any of
    them is left out."""
    path_column: str = ""
    """Column of paths, absolute or relative to the folder of the table. If it is empty, the usual names are looked
    for."""
    caption_column: str = ""
    """Column of captions. If it is empty, the usual names are looked for."""
    resolution: Annotated[int, at_least(0)] = 0
    """The longest that the shorter side may be, in pixels: larger pictures are scaled down. 0 keeps every pixel."""
    quality: Annotated[int, at_least(1), at_most(100)] = 95
    """JPEG quality, 1 to 100, of pictures that are encoded again. These are pictures that are scaled, that EXIF turns,
    or that are no plain JPEG, PNG or WebP (a TIFF of 8 bits without transparency becomes a PNG)."""
    min_side: Annotated[int, at_least(1)] = 1
    """Pictures with a shorter side below this, in pixels, are left out."""
    max_megapixels: Annotated[float, above(0)] = 64.0
    """Larger pictures are refused from their header alone, before they are decoded. The limit of the loader is 64."""
    decode_gb: Annotated[float, above(0)] = 2.0
    """The most memory that a picture may take while it is decoded, in 10^9 bytes (about 24 bytes a pixel, fewer for
    JPEG). Each worker of the engine decodes one picture at a time."""
    heldout: Annotated[float, at_least(0)] = 0.0
    """How many pictures go to out/heldout instead of out/train: below 1 it is a share, from 1 on a number. A hash of
    their paths chooses them. With 0, all pictures go to `out` itself."""
    engine: EngineConfig = field(default_factory=EngineConfig)


def check_shard(config: ShardConfig) -> None:
    """Raise UserError for a value that cannot work, naming the option."""
    if not config.out:
        raise UserError("say where the shards shall go: --out DIR")
    if Path(config.out).resolve() == Path(config.source).resolve():
        raise UserError(f"--out {config.out} is the folder of the pictures: give the shards a folder of their own")
    check_ranges(config)
    if not config.caption:
        raise UserError("caption names no place: give one or more of given, name, folder, empty")
    if config.heldout >= 1 and config.heldout != int(config.heldout):
        raise UserError(f"heldout is {config.heldout}: give a share below 1 or a whole number of pictures")
    if config.max_megapixels > MOST_MEGAPIXELS and not config.resolution:
        raise UserError(
            f"max_megapixels above {MOST_MEGAPIXELS} needs --resolution: the loader refuses larger pictures"
        )
