"""Labelled pictures and a model that sees them, as files and folders."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from levels import NAMES, Seer, flat
from majolica.eval.protocol import EvalData, Split


@pytest.fixture
def seer() -> type[Seer]:
    return Seer


@pytest.fixture
def nothing() -> EvalData:
    """The data of a run without any held-out picture."""
    empty = Split(torch.zeros(0, 3, 8, 8, dtype=torch.uint8), (), ())
    return EvalData((), empty, empty)


@pytest.fixture
def class_folders(tmp_path: Path) -> Path:
    """Four pictures of each class, each in the folder of its class."""
    root = tmp_path / "pictures"
    for k, name in enumerate(NAMES):
        (root / name.replace(" ", "_")).mkdir(parents=True)
        for i in range(4):
            (root / name.replace(" ", "_") / f"{i}.png").write_bytes(flat(k, mark=i))
    return root
