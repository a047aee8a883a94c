"""What `majolica data shard` packs, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from majolica.config.bounds import above, at_least, at_most, check_ranges
from majolica.config.engine import EngineConfig
from majolica.errors import UserError


@dataclass(frozen=True)
class ShardConfig:
    """From a folder or a table of local pictures to shards."""

    source: str = ""
    """A folder (with its subfolders), or a .parquet, .csv, .tsv or .jsonl file of paths and captions."""
    out: str = ""
    """Folder of the shards."""
    per_shard: Annotated[int, at_least(1)] = 1000
    """Pictures in a shard, unusable ones included."""
    caption: tuple[Literal["given", "name", "folder", "empty"], ...] = ("given",)
    """Where captions come from, in order of preference. given: the .txt beside a picture (or the field caption or
    text of its .json), the column of a table. name: the file's name. folder: its folder's name. empty: none, for
    training with --data.empty-captions keep. Pictures that none of them gives a caption are left out."""
    path_column: str = ""
    """Column of paths, relative to the table's folder or absolute; the usual names are found."""
    caption_column: str = ""
    """Column of captions; the usual names are found."""
    resolution: Annotated[int, at_least(0)] = 0
    """Longest that the shorter side may be, in pixels: larger pictures are scaled down. 0: every pixel is kept."""
    quality: Annotated[int, at_least(1), at_most(100)] = 95
    """JPEG quality, 1 to 100, of what is encoded again: scaled pictures, those that EXIF turns, and what is
    no plain JPEG, PNG or WebP (a TIFF of 8 bits without transparency becomes a PNG)."""
    min_side: Annotated[int, at_least(1)] = 1
    """Pictures with a shorter side below this, in pixels, are left out."""
    max_megapixels: Annotated[float, above(0)] = 64.0
    """Larger pictures are refused by their header, before decoding. The loader's own limit is 64."""
    decode_gb: Annotated[float, above(0)] = 2.0
    """Most memory that a picture may take while it is decoded, in 10^9 bytes (about 24 bytes a pixel, fewer for JPEG).
    Each of the engine's workers decodes one picture at a time."""
    heldout: Annotated[float, at_least(0)] = 0.0
    """Pictures for out/heldout instead of out/train, chosen by a hash of their paths: a share below 1, or, from 1 on,
    a number. 0: all go to out itself."""
    engine: EngineConfig = field(default_factory=EngineConfig)


def check(config: ShardConfig) -> None:
    """Raise UserError for a value that cannot work, naming the option."""
    if not config.out:
        raise UserError("say where the shards shall go: --out DIR")
    check_ranges(config)
    if not config.caption:
        raise UserError("caption names no place: give one or more of given, name, folder, empty")
    if config.heldout >= 1 and config.heldout != int(config.heldout):
        raise UserError(f"heldout is {config.heldout}: give a share below 1 or a whole number of pictures")
    if config.max_megapixels > 64 and not config.resolution:
        raise UserError("max_megapixels above 64 needs --resolution: the loader refuses larger pictures")
