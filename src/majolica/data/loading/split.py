"""The first samples of a set of shards, in their order, for evaluation."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from majolica.config.data import DataConfig
from majolica.data.loading.sources import open_shards
from majolica.data.pictures.decode import decode
from majolica.data.pictures.faults import BadSample, explain_sample
from majolica.data.pictures.fit import fit_picture
from majolica.data.pictures.frame import Fit
from majolica.errors import UserError

log = logging.getLogger(__name__)


def space_evenly(count: int, most: int) -> list[int]:
    """Return at most `most` of the numbers below `count`, evenly spaced from 0 on; all of them if there are no more."""
    kept = min(count, most)
    return [i * count // kept for i in range(kept)]


def load_split(
    folder: Path | str,
    limit: int | None = None,
    resolution: int | None = None,
    how: Fit = "crop",
    spread: bool = False,
    data: DataConfig | None = None,
) -> tuple[Tensor, list[str], list[dict[str, Any]]]:
    """Return the first `limit` samples of `folder`, unshuffled: images_B3HW uint8, captions, metadata.

    If `spread` is true, the samples are evenly spaced over the whole folder instead.

    Pictures are decoded in full and fitted, as `how` says, to squares of `resolution` pixels; by default this is the
    shorter side of the first picture. Samples that cannot be read are left out. `data` says what becomes of empty
    captions, and where remote shards are cached.
    """
    rows: list[tuple[Tensor, str, dict[str, Any]]] = []
    with open_shards(folder, data or DataConfig()) as shards:
        for notice in shards.notices:
            log.warning("%s", notice)
        for i in space_evenly(len(shards), limit if spread and limit else len(shards)):
            if limit is not None and len(rows) >= limit:
                break
            try:
                record = shards.read(i)
                image = decode(record.image).image
            except BadSample as bad:
                log.warning("%s is left out: %s", shards.place_of(i), explain_sample(bad))
                continue
            resolution = resolution or min(image.shape[:2])
            rows.append((fit_picture(image, (resolution, resolution), how).contiguous(), record.caption, record.meta))
    if not rows:
        raise UserError(f"no picture in {folder} can be read; make or fetch the data again")
    images, texts, metas = zip(*rows, strict=True)
    return torch.stack(images), list(texts), list(metas)
