"""A COCO of a few small pictures, a painter without a model, and an extractor without weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from majolica.features.extractor import Extractor
from majolica.sampling.request import PaintRequest, read_size

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


def random_picture(words: str, side: int) -> Tensor:
    """Return a picture that depends on the words alone."""
    seed = int.from_bytes(hashlib.sha256(words.encode()).digest()[:4])
    small_B344 = torch.randint(256, (1, 3, 4, 4), generator=torch.Generator().manual_seed(seed)).float()
    return torch.nn.functional.interpolate(small_B344, side).to(torch.uint8)[0]


class Painter:
    """Paints what prompt and seed say, and can be interrupted: after `patience` pictures, it fails."""

    def __init__(self, patience: float = float("inf")) -> None:
        self.patience, self.painted = patience, 0

    def paint_request(self, request: PaintRequest) -> Tensor:
        side, _ = read_size(request.size, 8)
        seeds = list(request.seed)  # type: ignore[arg-type]
        if self.painted + len(seeds) > self.patience:
            raise KeyboardInterrupt
        self.painted += len(seeds)
        pairs = zip(request.prompts, seeds, strict=True)
        return torch.stack([random_picture(f"{prompt}|{seed}|{request.guidance}", side) for prompt, seed in pairs])

    def embed_images(self, images_B3HW: Tensor) -> Tensor:
        return torch.nn.functional.normalize(images_B3HW.float().mean((2, 3)) + 1, dim=1)

    def embed_labels(self, labels: Sequence[str]) -> Tensor:
        return torch.eye(3)[: len(labels)]

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        return torch.nn.functional.normalize(torch.tensor([[len(text), 1.0, 2.0] for text in texts]), dim=1)


def make_extractor(name: str = "corners", sha: str = "a" * 64, canonical: bool = False) -> Extractor:
    """Return an extractor of four features: means of the red, green and blue halves, and of a corner."""

    def describe(images_B3HW: Tensor) -> Tensor:
        means_B3 = images_B3HW.float().mean((2, 3))
        return torch.cat([means_B3, images_B3HW[:, :1, :64, :64].float().mean((2, 3))], 1) / 255

    return Extractor(name, 4, describe, {"extractor": name, "weights_sha256": sha}, canonical, f"the {name} network")


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
