"""A folder of captioned pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Picture = Callable[..., bytes]


@pytest.fixture
def folder(tmp_path: Path, picture: Picture) -> Path:
    """Ten pictures in three folders, each with its number as its caption."""
    for i in range(10):
        path = tmp_path / "in" / ("sub/deep" if i % 3 == 0 else f"part{i % 3}") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(i, 12, 9))
        path.with_suffix(".txt").write_text(f"number {i}\n")
    return tmp_path / "in"
