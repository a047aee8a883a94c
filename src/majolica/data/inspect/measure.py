"""Measures each sample, with the decoder that training uses."""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from majolica.data.inspect.sets import ShardSets
from majolica.data.pictures.decode import decode
from majolica.data.pictures.faults import BadSample
from majolica.data.pictures.phash import phash
from majolica.text.clean import clean_caption

_SEEN = (64, 64)
"""The size in pixels that a perceptual hash needs at least.

A large JPEG is decoded at no more than about twice that.
"""
SAMPLE = np.dtype(
    [
        ("number", "<i8"),
        ("bytes", "<i8"),
        ("width", "<i4"),
        ("height", "<i4"),
        ("characters", "<i4"),
        ("words", "<i4"),
        ("caption", "<u8"),
        ("content", "<u8"),
        ("phash", "<u8"),
        ("bad", "?"),
    ]
)
"""The facts of one sample.

`caption` and `content` are the first 8 bytes of a SHA-256. They are equal for captions that read
the same, whatever their case, and for pictures with the same bytes.
"""


@dataclass
class Field:
    """What is known of one field of the metadata."""

    count: int = 0
    numbers: int = 0
    """How many of its values are numbers. Those that cannot stand in a range count, and leave the range as it is."""
    low: float = float("inf")
    high: float = float("-inf")
    example: str = ""

    def add(self, other: Field) -> None:
        """Add what another stretch of samples showed of this field."""
        self.count, self.numbers = self.count + other.count, self.numbers + other.numbers
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.example = self.example or other.example


@dataclass
class SampleStatistics:
    """What was measured of a stretch of samples, or of all of them."""

    samples: NDArray[Any] = field(default_factory=lambda: np.empty(0, SAMPLE))
    formats: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    """The number of samples that cannot be read, by reason."""
    examples: dict[str, list[int]] = field(default_factory=dict)
    """The numbers of some of these samples, by reason."""
    lacking: Counter[str] = field(default_factory=Counter)
    """The number of samples that are used without a part that cannot be read, by part."""
    fields: dict[str, Field] = field(default_factory=dict)
    colour_notes: Counter[str] = field(default_factory=Counter)
    """The number of pictures whose colour profile was not used, by reason."""


@dataclass(frozen=True)
class SampleStretch:
    """Samples that are measured together."""

    folders: tuple[str, ...]
    manifests: tuple[str, ...]
    """The manifests of the folders when the samples were chosen."""
    numbers: tuple[int, ...]


def measure_stretch(stretch: SampleStretch) -> SampleStatistics:
    """Read and decode every sample of `stretch`."""
    shards = _open_sets(stretch.folders, stretch.manifests)
    found = SampleStatistics(np.zeros(len(stretch.numbers), SAMPLE))
    for row, number in zip(found.samples, stretch.numbers, strict=True):
        row["number"] = number
        try:
            _measure_one(shards, number, row, found)
        except BadSample as bad:
            row["bad"] = True
            found.broken[str(bad)] += 1
            found.examples.setdefault(str(bad), []).append(number)
    return found


def merge_statistics(parts: Sequence[SampleStatistics], examples: int = 8) -> SampleStatistics:
    """All stretches as one, in their order, with at most `examples` samples of each fault."""
    whole = SampleStatistics(np.concatenate([part.samples for part in parts]) if parts else np.empty(0, SAMPLE))
    for part in parts:
        whole.formats.update(part.formats)
        whole.broken.update(part.broken)
        whole.lacking.update(part.lacking)
        whole.colour_notes.update(part.colour_notes)
        for reason, numbers in part.examples.items():
            whole.examples[reason] = (whole.examples.get(reason, []) + numbers)[:examples]
        for name, known in part.fields.items():
            whole.fields.setdefault(name, Field()).add(known)
    return whole


@lru_cache(maxsize=2)
def _open_sets(folders: tuple[str, ...], manifests: tuple[str, ...]) -> ShardSets:
    # A process keeps the folders open while their content is the same.
    return ShardSets(folders)


def _measure_one(shards: ShardSets, number: int, row: Any, found: SampleStatistics) -> None:
    record = shards.read(number)
    decoded = decode(record.image, _SEEN)
    row["height"], row["width"] = decoded.size
    row["bytes"] = len(record.image)
    row["characters"], row["words"] = len(record.caption), len(record.caption.split())
    row["caption"], row["content"] = _hash(_normalise(record.caption).encode()), _hash(record.image)
    row["phash"] = int(phash(Image.fromarray(np.ascontiguousarray(decoded.image))), 16)
    found.formats[record.extension] += 1
    if record.fault:
        found.lacking[record.fault] += 1
    if decoded.note:
        found.colour_notes[decoded.note] += 1
    for name, value in record.meta.items():
        _note(found.fields.setdefault(str(name), Field()), value)


def _note(known: Field, value: Any) -> None:
    if value is None:
        return
    known.count += 1
    if isinstance(value, int | float) and not isinstance(value, bool):
        known.numbers += 1
        if _is_plain(value):
            known.low, known.high = min(known.low, value), max(known.high, value)
    known.example = known.example or str(value)[:80]


def _is_plain(number: float) -> bool:
    """Return whether a number can stand in a range: not NaN, not infinite, and no whole number beyond all floats."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _normalise(caption: str) -> str:
    """A caption without what tokenizers do not distinguish: case, forms of a character, blanks."""
    return unicodedata.normalize("NFKC", clean_caption(caption)).casefold()


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")
