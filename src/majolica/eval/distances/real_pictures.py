"""Real pictures of anyone's own data, with their captions, read one after the other."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from majolica.config.shard import ShardConfig
from majolica.data.folder.listing import base_folder, rows
from majolica.data.loading.split import space_evenly
from majolica.data.pictures.decode import decode
from majolica.data.pictures.faults import BadSample, explain_sample
from majolica.data.pictures.fit import fit_picture
from majolica.data.pictures.frame import Fit
from majolica.data.store.caption_text import is_blank
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError, to_printable
from majolica.features.extractor import Extractor
from majolica.features.streaming import describe_all
from majolica.plurals import counted

log = logging.getLogger(__name__)
BATCH = 64

NAMED = 3
"""Files that cannot be read are named up to this number, and then counted."""


@dataclass(frozen=True)
class Described:
    """The features of real pictures, and their captions."""

    features_BD: Tensor
    captions: list[str]
    record: dict[str, Any]
    """What a protocol says of these pictures: how many, and a hash of their pixels and captions."""


def describe_source(source: Path, extractor: Extractor, side: int, how: Fit = "crop", limit: int = 10_000) -> Described:
    """Compute the features of at most `limit` pictures of a source, fitted to `side` pixels as in training.

    The source is a folder of shards, a folder of pictures with a .txt beside each, or a table of paths and
    captions (.parquet, .csv, .tsv, .jsonl). Of more pictures, some are taken that are spread evenly. A picture that
    cannot be read, or has no caption, is left out with a warning. Raises UserError if fewer than two are left.
    """
    captions: list[str] = []
    seen = hashlib.sha256()

    def read_batches() -> Iterator[Tensor]:
        batch: list[Tensor] = []
        for image_3HW, caption in read_real_pictures(source, side, how, limit):
            batch.append(image_3HW)
            captions.append(caption)
            seen.update(caption.encode("utf-8", "surrogatepass") + b"\0" + image_3HW.numpy().tobytes())
            if len(batch) == BATCH:
                yield torch.stack(batch)
                batch = []
        if batch:
            yield torch.stack(batch)

    parts = list(describe_all(extractor, read_batches()))
    if len(captions) < 2:
        found = counted(len(captions), "usable picture with a caption", "usable pictures with captions")
        raise UserError(f"{to_printable(source)} has {found}: a distance needs two or more")
    return Described(torch.cat(parts), captions, {"data_sha256": seen.hexdigest(), "real_side": side, "real_fit": how})


def read_real_pictures(source: Path, side: int, how: Fit, limit: int) -> Iterator[tuple[Tensor, str]]:
    """Yield pictures, uint8 `(3, side, side)`, with their captions; see `describe_source`."""
    samples = _read_shards(source, limit) if _holds_shards(source) else _read_files(source, limit)
    found = 0
    for name, content, caption in samples:
        if found == limit:
            return
        try:
            image_3HW = fit_picture(decode(content).image, (side, side), how).contiguous()
        except BadSample as bad:
            log.warning("%s is left out: %s", to_printable(name), explain_sample(bad))
            continue
        found += 1
        yield image_3HW, caption


def _holds_shards(source: Path) -> bool:
    return source.is_dir() and any(source.glob("*.tar"))


def _read_shards(folder: Path, limit: int) -> Iterator[tuple[str, bytes, str]]:
    with ShardSet(folder) as shards:
        for i in space_evenly(len(shards), limit):
            try:
                pair = shards.read_pair(i)
            except BadSample as bad:
                log.warning("%s is left out: %s", shards.place_of(i), explain_sample(bad))
                continue
            yield shards.place_of(i), pair.image, pair.caption


def _read_files(source: Path, limit: int) -> Iterator[tuple[str, bytes, str]]:
    """Yield the pictures of a folder or of a table."""
    without = unread = 0
    config = ShardConfig(source=str(source))
    chosen = set(space_evenly(sum(1 for _ in rows(config)), limit))
    for row in (row for number, row in enumerate(rows(config)) if number in chosen):
        path = base_folder(source) / str(row["path"])
        try:
            text = row["caption"] if "caption" in row else path.with_suffix(".txt").read_text("utf-8-sig")
            content = path.read_bytes()
        except (OSError, UnicodeDecodeError) as error:
            unread += 1
            if unread <= NAMED:
                log.warning("%s is left out: %s", to_printable(path), to_printable(error))
            continue
        if not isinstance(text, str) or is_blank(text):
            without += 1
            continue
        yield str(path), content, text.strip()
    if unread > NAMED:
        what = counted(unread, "picture")
        log.warning("%s of %s are left out; each needs a .txt with its caption beside it", what, to_printable(source))
    if without:
        log.warning("%s of %s have no caption and are left out", counted(without, "picture"), to_printable(source))
