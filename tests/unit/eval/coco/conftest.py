"""A COCO of a few small pictures, and what is painted and measured in its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from colour_painter import Painter, make_extractor
from majolica.features.extractor import Extractor

PICTURES = 12


def make_coco(folder: Path, pictures: int = PICTURES, captions: int = 2) -> Path:
    """Write a COCO whose picture i has the number 100 + i and the captions 1000 + i * captions and further."""
    (folder / "val2014").mkdir(parents=True)
    images, notes = [], []
    rng = np.random.default_rng(0)
    for i in range(pictures):
        name = f"COCO_val2014_{100 + i:012d}.jpg"
        pixels = rng.integers(0, 256, (9, 12, 3)).astype(np.uint8)
        Image.fromarray(pixels).resize((40, 30)).save(folder / "val2014" / name)
        images.append({"id": 100 + i, "file_name": name})
        for j in range(captions):
            notes.append({"id": 1000 + i * captions + j, "image_id": 100 + i, "caption": f"picture {i}, said {j}"})
    write_annotations(folder, {"images": images, "annotations": notes})
    return folder


def write_annotations(folder: Path, known: object) -> Path:
    path = folder / "annotations" / "captions_val2014.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(known))
    return path


def read_annotations(folder: Path) -> Any:
    return json.loads((folder / "annotations" / "captions_val2014.json").read_text())


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    return make_coco(tmp_path / "coco")


@pytest.fixture
def painter() -> Callable[..., Painter]:
    return Painter


@pytest.fixture
def extractor() -> Callable[..., Extractor]:
    return make_extractor


@pytest.fixture
def annotate() -> Callable[[Path, Callable[[Any], object]], Path]:
    """Return a function that changes the annotations of a COCO in place."""

    def change(folder: Path, edit: Callable[[Any], object]) -> Path:
        known = read_annotations(folder)
        edit(known)
        return write_annotations(folder, known)

    return change
