"""Extractors: functions from pictures to features, with a record of everything that the features depend on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from majolica.callbacks import ReportProgress
from majolica.errors import unknown_name
from majolica.features.conventions import SIDE, find_convention
from majolica.features.inception import WIDTH
from majolica.features.inception_download import fetch_inception
from majolica.features.inception_weights import load_inception
from majolica.features.resize import check_images
from majolica.features.vision_towers import TOWERS, load_tower


@dataclass(frozen=True)
class Extractor:
    """A way of describing pictures by features, in which sets of pictures are compared."""

    name: str
    width: int
    """How many features a picture has."""
    describe: Callable[[Tensor], Tensor]
    """Returns the features `(B, width)` of uint8 pictures `B3HW` of any one size, float32 on the CPU."""
    record: Mapping[str, Any]
    """All that the features depend on, in values that JSON can hold; distances are comparable only if it is equal."""
    canonical: bool
    """Whether the weights are, by their SHA-256, those by which FID is defined."""
    title: str
    """What a Frechet distance between such features is called."""


NAMES = ("inception", *TOWERS)
PROXY = "FD (Inception with other weights: a proxy)"


def open_extractor(
    name: str,
    weights: Path | None,
    device: torch.device,
    *,
    convention: str = "clean-fid",
    progress: ReportProgress | None = None,
) -> Extractor:
    """Return the extractor called `name` ("inception", "dinov2" or "clip"), whose network runs on `device`.

    `weights` is a local file (or, of a model of transformers, a folder); without it, the published weights are
    downloaded once, and `progress` is told the bytes that have arrived and their total. `convention` says which package
    the features of Inception agree with: clean-fid, torch-fidelity or pytorch-fid.

    Raises UserError if the name is unknown, if a package is missing, or if the weights cannot be had or do not fit.
    """
    if name == "inception":
        return _open_inception(weights, device, convention, progress)
    if name in TOWERS:
        return _open_tower(name, weights, device)
    raise unknown_name("extractor", name, NAMES)


def _open_inception(
    weights: Path | None, device: torch.device, convention: str, progress: ReportProgress | None
) -> Extractor:
    found = find_convention(convention)
    loaded = load_inception(weights or fetch_inception(progress), device)
    record = {
        "extractor": "inception",
        "weights_sha256": loaded.sha256,
        "format": loaded.format,
        "convention": found.name,
        "resize": found.resize,
        "side": SIDE,
    }
    describe = make_describe(found.prepare, loaded.network, device)
    title = "FID" if loaded.canonical else PROXY
    return Extractor("inception", WIDTH, describe, record, loaded.canonical, title)


def _open_tower(name: str, weights: Path | None, device: torch.device) -> Extractor:
    tower = load_tower(TOWERS[name], weights, device)
    describe = make_describe(tower.prepare, tower.network, device)
    width = describe(torch.zeros(1, 3, tower.side, tower.side, dtype=torch.uint8)).shape[1]
    return Extractor(name, width, describe, {"extractor": name, **tower.record}, False, TOWERS[name].title)


def make_describe(
    prepare: Callable[[Tensor], Tensor], network: Callable[[Tensor], Tensor], device: torch.device
) -> Callable[[Tensor], Tensor]:
    """Return the function from uint8 pictures `B3HW` to features `BD`: `prepare` on the CPU, `network` on `device`.

    The network computes in full float32, whatever precision the caller has set, because an autocast to bfloat16 or the
    TF32 of GPUs would shift the features.
    """

    def describe(images_B3HW: Tensor) -> Tensor:
        check_images(images_B3HW)
        precise = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with torch.no_grad(), torch.autocast(device.type, enabled=False), precise:
            features_BD: Tensor = network(prepare(images_B3HW.cpu()).to(device))
            return features_BD.float().cpu()

    return describe
