"""Finds the folders of held-out samples of a run's data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from majolica.config.data import DataConfig
from majolica.config.sources import sources_of

HELD_OUT = "heldout"
"""Name of the folder of held-out samples beside the training shards."""


def find_held_out(config: DataConfig) -> list[str]:
    """Find the held-out shards: `data.heldout`, a folder or URL, or else the folders `heldout` beside the sources."""
    return [config.heldout] if config.heldout else [str(folder) for folder in find_held_out_beside(config, [HELD_OUT])]


def find_held_out_beside(config: DataConfig, names: Sequence[str]) -> list[Path]:
    """Find folders of these names that hold shards and lie beside a local source."""
    places = [Path(source.shards) for source in sources_of(config) if "://" not in source.shards]
    beside = dict.fromkeys(place.parent / name for place in places for name in names)
    return [folder for folder in beside if folder not in places and any(folder.glob("*.tar"))]
