"""Reads pictures of a run's training data again, evenly spaced over all of its sources, a chunk at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import Tensor

from majolica.config.run import RunConfig
from majolica.config.sources import name_sources
from majolica.data.loading.sources import hash_manifests, open_sources
from majolica.data.loading.split import space_evenly
from majolica.data.pictures.decode import decode
from majolica.data.pictures.faults import BadSample, explain_sample
from majolica.data.pictures.fit import fit_picture
from majolica.eval.protocol import Split
from majolica.eval.run_data import complete_meta

log = logging.getLogger(__name__)


class TrainingPictures:
    """The pictures that a run was trained on, without the augmentation: fitted to its base resolution alone.

    It is a context, which closes the sources. Raises UserError if a source cannot be read.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.sets, self._names = open_sources(config.data), name_sources(config.data)
        self._ends = np.cumsum([len(shards) for shards in self.sets])
        self.manifest = hash_manifests(self.sets)
        """A hash of the names, sizes and numbers of samples of all tars."""

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __enter__(self) -> TrainingPictures:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as stack:
            for shards in self.sets:
                stack.callback(shards.close)

    def read(self, most: int, chunk: int = 256) -> Iterator[Split]:
        """Yield at most `most` pictures, evenly spaced, with their captions and metadata, `chunk` at a time.

        Samples that cannot be read are left out. Pictures of one chunk are in memory at a time.
        """
        rows = list(self._spread(most))
        for start in range(0, len(rows), chunk):
            found = [row for source, number in rows[start : start + chunk] for row in self._read(source, number)]
            if found:
                images, captions, metas = zip(*found, strict=True)
                yield Split(torch.stack(images), captions, metas)

    def _spread(self, most: int) -> Iterator[tuple[int, int]]:
        """Yield the number of the source of each sample, and its number there."""
        for place in space_evenly(len(self), most):
            source = int(np.searchsorted(self._ends, place, side="right"))
            yield source, place - (int(self._ends[source - 1]) if source else 0)

    def _read(self, source: int, number: int) -> list[tuple[Tensor, str, dict[str, Any]]]:
        """Return one sample, or none if it cannot be read."""
        shards, side, fit = self.sets[source], self.config.model.resolution, self.config.data.fit
        try:
            record = shards.read(number)
            image = decode(record.image).image
        except BadSample as bad:
            log.warning("%s is left out: %s", shards.place_of(number), explain_sample(bad))
            return []
        meta = complete_meta(record.meta, self._names[source], fit)
        return [(fit_picture(image, (side, side), fit).contiguous(), record.caption, meta)]


def join_splits(parts: Sequence[Split]) -> Split:
    """Return the pictures of all parts, in order, as one split. Raises ValueError without any part."""
    if not parts:
        raise ValueError("there are no parts to join")
    captions = [caption for part in parts for caption in part.captions]
    return Split(
        torch.cat([part.images_B3HW for part in parts]), captions, [meta for part in parts for meta in part.metas]
    )
