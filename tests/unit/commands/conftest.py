"""Two pictures to use a run on, and a run to use."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from fake_pipeline import FakePipeline


@pytest.fixture
def fake_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with two pictures, and the fake pipeline in place of the real one."""
    monkeypatch.chdir(tmp_path)
    module = ModuleType("majolica.sampling.pipeline")
    module.Pipeline = FakePipeline  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "majolica.sampling.pipeline", module)
    Image.new("RGB", (50, 40), (255, 0, 0)).save("red.png")
    Image.new("RGBA", (40, 90), (0, 0, 255, 0)).save("clear.png")
