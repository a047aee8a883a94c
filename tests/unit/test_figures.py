"""The script of the architecture's figure still draws it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


def test_the_figure_is_drawn_as_it_stands_in_docs(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    spec = importlib.util.spec_from_file_location("draw_architecture", ROOT / "scripts" / "draw_architecture.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.draw(tmp_path / "figure.png")
    found, kept = (Image.open(path).convert("L") for path in (tmp_path / "figure.png", script.OUT))
    assert found.size == kept.size
    # Fonts are drawn a little differently by each version, so pixels are compared where they are coarse.
    coarse = [np.asarray(image.resize((40, 20)), dtype=float) for image in (found, kept)]
    assert np.abs(coarse[0] - coarse[1]).max() < 8
