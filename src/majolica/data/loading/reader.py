"""Reading one row of a batch: its sample is read and decoded, or another sample in its place if it cannot be read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from majolica.config.data import DataConfig
from majolica.config.sources import name_sources
from majolica.data.counter import mix
from majolica.data.pictures.decode import Decoded, decode
from majolica.data.pictures.faults import BadSample, explain_sample
from majolica.data.pictures.fit import fit_picture
from majolica.data.pictures.frame import Fit, Shape, scale_of
from majolica.data.pictures.memory import MemoryBudget, Reserve
from majolica.data.store.record import Pair, Record
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError
from majolica.properties.categories import NO_CATEGORIES, EncodeName
from majolica.properties.columns import FRAME, SOURCE_FOLDER
from majolica.properties.registry import read_all

log = logging.getLogger(__name__)

SUBSTITUTES = 16
_STREAM = 0x5B


@dataclass(frozen=True)
class SampleRequest:
    """What is needed at a position: which sample, in which shape, and whether also `scale` times as large."""

    position: int
    source: int
    sample: int
    shape: Shape
    scale: int
    """How many times larger the picture is wanted as well; 1 if it is not."""


@dataclass(frozen=True)
class Row:
    """A row without its picture at the base resolution, which is written into the batch directly."""

    fine_3HW: Tensor | None
    """The picture at the larger size, uint8, if it was asked for and the picture has enough pixels."""
    caption: str
    position: int
    source: int
    faults: tuple[str, ...]
    """Why samples before this one could not be used at this position."""
    columns: tuple[float, ...] = ()
    """The properties that are read from metadata, NaN where it has none."""


@dataclass(frozen=True)
class _Sample:
    picture: Decoded
    caption: str
    columns: tuple[float, ...]


class Reader:
    """Reads rows; it is safe to use from many threads.

    `scale` is the largest at which a row is ever needed, and `columns` are the properties that are read from metadata.
    `categories` say which value a name has, for those that are names.
    """

    def __init__(
        self,
        sets: list[ShardSet],
        scale: int,
        seed: int,
        config: DataConfig,
        columns: tuple[str, ...] = (),
        categories: Mapping[str, EncodeName] = NO_CATEGORIES,
    ) -> None:
        self._columns, self._categories, self._source_names = columns, categories, name_sources(config)
        self._sets, self._scale, self._seed, self._caches = sets, scale, seed, config.cache
        self._how: Fit = config.fit
        self._memory = MemoryBudget(round(config.decode_gb * 1e9))
        self._named: set[tuple[int, int]] = set()
        self._cache: dict[tuple[int, int, Shape], _Sample | str] = {}

    def row(self, request: SampleRequest, image_3HW: Tensor) -> Row:
        """Read a row, and write its picture into `image_3HW` (uint8).

        If its own sample cannot be read, another sample of the source takes its place; which one depends only on (seed,
        position).
        """
        with self._memory.lease() as reserve:
            return self._fill(request, image_3HW, reserve)

    def _fill(self, request: SampleRequest, image_3HW: Tensor, reserve: Reserve) -> Row:
        faults: list[str] = []
        shards, sample = self._sets[request.source], request.sample
        for attempt in range(1, SUBSTITUTES + 1):
            found = self._sample(request.source, sample, request.shape, reserve)
            if isinstance(found, _Sample):
                return self._row(found, request, image_3HW, tuple(faults))
            faults.append(found)
            sample = int(mix(self._seed, _STREAM, request.position, attempt) % np.uint64(len(shards)))
        raise UserError(
            f"{SUBSTITUTES} samples in a row of {shards.folder} cannot be read ({faults[0]}): repair the data"
        )

    def _row(self, sample: _Sample, request: SampleRequest, image_3HW: Tensor, faults: tuple[str, ...]) -> Row:
        picture, large = sample.picture, _enlarge(request.shape, request.scale)
        fine = None
        if request.scale > 1 and scale_of(picture.size, large, self._how) >= 1:
            fine = fit_picture(picture.image, large, self._how).contiguous()
        image_3HW.copy_(fit_picture(picture.image, request.shape, self._how))
        return Row(fine, sample.caption, request.position, request.source, faults, sample.columns)

    def _sample(self, source: int, sample: int, shape: Shape, reserve: Reserve) -> _Sample | str:
        """Return a sample, or the reason why it cannot be read."""
        key = (source, sample, shape)  # a sample that stands for another may be needed in the shape of that one
        if key in self._cache:
            return self._cache[key]
        found: _Sample | str
        try:
            pair, columns = self._read(source, sample, shape)
            found = _Sample(decode(pair.image, _enlarge(shape, self._scale), self._how, reserve), pair.caption, columns)
        except BadSample as bad:
            found = str(bad)
            if (source, sample) not in self._named:
                self._named.add((source, sample))
                log.warning("%s is replaced: %s", self._sets[source].place_of(sample), explain_sample(bad))
        if self._caches:
            self._cache[key] = found
        return found

    def _read(self, source: int, sample: int, shape: Shape) -> tuple[Pair | Record, tuple[float, ...]]:
        if not self._columns:
            return self._sets[source].read_pair(sample), ()  # does not parse the metadata
        record = self._sets[source].read(sample)
        kept = shape[1] / shape[0] if self._how == "crop" else None
        meta = {**record.meta, SOURCE_FOLDER: self._source_names[source], FRAME: kept}
        return record, read_all(self._columns, meta, self._categories)


def _enlarge(shape: Shape, scale: int) -> Shape:
    return shape[0] * scale, shape[1] * scale
