"""Small shards of plain pictures: the loader is tested without the drawings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from picture_files import encoded


def _picture(i: int, width: int, height: int, extension: str = "png") -> bytes:
    """A picture whose every pixel tells which one it is: (i mod 256, i div 256, 7)."""
    kind = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}[extension]
    colour = (i % 256, i // 256, 7)
    return encoded(Image.new("RGB", (width, height), colour), kind, **({"lossless": True} if kind == "WEBP" else {}))


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """picture(i, width, height, extension="png") -> encoded bytes."""
    return _picture


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """write(n, bad=..., per_shard=..., size=...) -> folder of n samples; those in `bad` are not pictures."""

    def make(n: int, bad: frozenset[int] = frozenset(), per_shard: int = 40, size: tuple[int, int] = (8, 8)) -> Path:
        def records() -> Iterator[Record]:
            for i in range(n):
                data = b"\x89PNG nonsense" if i in bad else _picture(i, *size)
                yield Record(data, "png", f"number {i}", {"label": i})

        folder = tmp_path / f"shards{n}-{len(bad)}"
        write_shards(folder, records(), per_shard)
        return folder

    return make


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
