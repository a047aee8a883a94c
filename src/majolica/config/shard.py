"""What `majolica data shard` packs, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from majolica.config.engine import EngineConfig
from majolica.errors import UserError


@dataclass(frozen=True)
class ShardConfig:
    """From a folder or a table of local pictures to shards."""

    source: str = ""
    """A folder (with its subfolders), or a .parquet, .csv, .tsv or .jsonl file of paths and captions."""
    out: str = ""
    """Folder of the shards."""
    per_shard: int = 1000
    """Pictures in a shard, unusable ones included."""
    caption: tuple[Literal["given", "name", "folder", "empty"], ...] = ("given",)
    """Where captions come from, in order of preference. given: the .txt beside a picture (or the field caption or
    text of its .json), the column of a table. name: the file's name. folder: its folder's name. empty: none, for
    training with --data.empty-captions keep. Pictures that none of them gives a caption are left out."""
    path_column: str = ""
    """Column of paths, relative to the table's folder or absolute; the usual names are found."""
    caption_column: str = ""
    """Column of captions; the usual names are found."""
    resolution: int = 0
    """Longest that the shorter side may be, in pixels: larger pictures are scaled down. 0: every pixel is kept."""
    quality: int = 95
    """JPEG quality, 1 to 100, of what is encoded again: scaled pictures, those that EXIF turns, and what is
    no plain JPEG, PNG or WebP (a TIFF of 8 bits without transparency becomes a PNG)."""
    min_side: int = 1
    """Pictures with a shorter side below this, in pixels, are left out."""
    max_megapixels: float = 64.0
    """Larger pictures are refused by their header, before decoding. The loader's own limit is 64."""
    decode_gb: float = 2.0
    """Most memory that a picture may take while it is decoded, in 10^9 bytes (about 24 bytes a pixel, fewer for JPEG).
    Each of the engine's workers decodes one picture at a time."""
    heldout: float = 0.0
    """Pictures for out/heldout instead of out/train, chosen by a hash of their paths: a share below 1, or, from 1 on,
    a number. 0: all go to out itself."""
    engine: EngineConfig = field(default_factory=EngineConfig)


def check(config: ShardConfig) -> None:
    """Raise UserError for a value that cannot work, naming the option."""
    if not config.out:
        raise UserError("say where the shards shall go: --out DIR")
    least = [
        ("per_shard", config.per_shard, 1),
        ("resolution", config.resolution, 0),
        ("quality", config.quality, 1),
        ("min_side", config.min_side, 1),
        ("heldout", config.heldout, 0),
        ("engine.workers", config.engine.workers, 1),
    ]
    for name, value, lowest in least:
        if not value >= lowest:
            raise UserError(f"{name} is {value}: it must be at least {lowest}")
    if config.quality > 100:
        raise UserError(f"quality is {config.quality}: it must be at most 100")
    if not config.caption:
        raise UserError("caption names no place: give one or more of given, name, folder, empty")
    if config.heldout >= 1 and config.heldout != int(config.heldout):
        raise UserError(f"heldout is {config.heldout}: give a share below 1 or a whole number of pictures")
    if not config.decode_gb > 0:
        raise UserError(f"decode_gb is {config.decode_gb}: it must be above 0")
    if not config.max_megapixels > 0:
        raise UserError(f"max_megapixels is {config.max_megapixels}: it must be above 0")
    if config.max_megapixels > 64 and not config.resolution:
        raise UserError("max_megapixels above 64 needs --resolution: the loader refuses larger pictures")
