"""What the loader gives for small sets: which sample stands at which position."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from majolica.config.data import DataConfig
from majolica.data.loading.loader import Batch, Loader, LoaderSizes

SMALL = LoaderSizes(8)
Rows = dict[int, tuple[bytes, str, int]]


def number_of(image_3HW: torch.Tensor) -> int:
    """Which sample a picture of `write` shows: the red and the green of every pixel say its number."""
    red, green = image_3HW[:2, 0, 0].tolist()
    return int(red) + 256 * int(green)


def rows(batches: list[Batch]) -> Rows:
    """What stands at each position: pixels, caption, number of the sample."""
    found: Rows = {}
    for batch in batches:
        for image, caption, position in zip(batch.images_B3HW, batch.captions, batch.positions_B.tolist(), strict=True):
            assert position not in found
            found[position] = (image.numpy().tobytes(), caption, number_of(image))
    return found


def loader_of(
    folder: Path, batch: int, size: LoaderSizes = SMALL, seed: int = 0, rank: int = 0, world: int = 1, **config: Any
) -> Loader:
    return Loader(DataConfig(shards=str(folder), **config), batch, size, seed, rank, world)


def read(folder: Path, n: int, batch: int = 12, rank: int = 0, world: int = 1, **config: object) -> Rows:
    with loader_of(folder, batch, seed=3, rank=rank, world=world, **config) as loader:
        return rows([next(loader) for _ in range(n)])
