"""Labelled pictures that are read in batches, so that a set of any size fits into memory.

Shapes: B pictures of a batch, 3 colours, H and W pixels.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from majolica.data.pictures.decode import decode
from majolica.data.pictures.faults import BadSample, explain_sample
from majolica.data.pictures.fit import fit_picture
from majolica.data.pictures.frame import Fit
from majolica.errors import UserError, to_printable
from majolica.eval.labelled.class_list import ClassList
from majolica.machine import cores
from majolica.plurals import counted, plural

Encoded = bytes | BadSample
"""The bytes of a picture's file, or why they cannot be read."""
Load = Callable[[Sequence[int]], Iterator[Encoded]]
"""Returns the files of the pictures with these numbers, which ascend, one after the other."""
SHOWN = 3
"""Pictures that a message names at most."""


@dataclass(frozen=True)
class Skipped:
    """A picture that is left out, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class LabelledBatch:
    """Pictures that could be read, and those between them that could not."""

    numbers: tuple[int, ...]
    """Their places among all pictures of the set."""
    images_B3HW: Tensor
    """uint8."""
    digests: tuple[str, ...]
    """SHA-256 of their files."""
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class LabelledPictures:
    """Pictures, each with the class that it shows. They are decoded when they are read, not before."""

    source: str
    """Where they lie, for people."""
    classes: ClassList
    ids: tuple[str, ...]
    """A name of each picture within its source."""
    labels: tuple[int, ...]
    """The place of each picture's class in `classes.names`."""
    load: Load
    side: int
    """Width and height in pixels of what is read."""
    fit: Fit
    skipped: tuple[Skipped, ...] = ()
    """Pictures without a label that could be used, which have no number."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.classes.names

    def part(self, numbers: Sequence[int]) -> LabelledPictures:
        """Return the pictures with these numbers alone, in ascending order."""
        rows = sorted(numbers)
        return dataclasses.replace(
            self,
            ids=tuple(self.ids[row] for row in rows),
            labels=tuple(self.labels[row] for row in rows),
            load=lambda some: self.load([rows[row] for row in some]),
        )

    def read(self, batch: int = 64) -> Iterator[LabelledBatch]:
        """Yield all pictures in their order, fitted to squares, `batch` of them at a time.

        Broken pictures are in `LabelledBatch.skipped`. The next batch is decoded while the caller works on one. Raises
        UserError after the last batch if not a single picture could be read.
        """
        found, skipped = 0, [*self.skipped]
        with ThreadPoolExecutor(cores()) as pool:
            ahead: list[tuple[int, Future[_Read]]] = []
            for start in range(0, len(self) + batch, batch):
                now, ahead = ahead, self._begin(pool, range(start, min(start + batch, len(self))))
                if not now:
                    continue
                done = self._collect(now)
                found += len(done.numbers)
                skipped += done.skipped
                yield done
        if not found:
            raise UserError(f"no picture in {self.source} can be read: {describe_skipped(skipped)}")

    def _begin(self, pool: ThreadPoolExecutor, numbers: Sequence[int]) -> list[tuple[int, Future[_Read]]]:
        files = self.load(numbers) if numbers else iter(())
        return [(number, pool.submit(self._decode, file)) for number, file in zip(numbers, files, strict=True)]

    def _decode(self, file: Encoded) -> _Read:
        if isinstance(file, BadSample):
            return explain_sample(file)
        try:
            image_3HW = fit_picture(decode(file).image, (self.side, self.side), self.fit).contiguous()
        except BadSample as bad:
            return explain_sample(bad)
        return image_3HW, hashlib.sha256(file).hexdigest()

    def _collect(self, futures: Sequence[tuple[int, Future[_Read]]]) -> LabelledBatch:
        numbers, images, digests, skipped = [], [torch.zeros(0, 3, self.side, self.side, dtype=torch.uint8)], [], []
        for number, future in futures:
            read = future.result()
            if isinstance(read, str):
                skipped.append(Skipped(self.ids[number], read))
            else:
                numbers.append(number)
                images.append(read[0][None])
                digests.append(read[1])
        return LabelledBatch(tuple(numbers), torch.cat(images), tuple(digests), tuple(skipped))


_Read = tuple[Tensor, str] | str
"""A picture and the SHA-256 of its file, or why it cannot be read."""


def hash_pictures(rows: Sequence[tuple[str, str, str]]) -> str:
    """Return the SHA-256 of pictures: of their ids, the names of their classes and the SHA-256 of their files.

    The rows are sorted, so that the order of reading does not matter. Two sets with equal hashes hold the same files
    under the same labels. The digests are made of bytes that are read to be decoded anyway, which adds about a tenth
    of a millisecond to a photograph of ImageNet, and 5 seconds to 50,000 of them.
    """
    whole = hashlib.sha256()
    for row in sorted(rows):
        whole.update(("\0".join(row) + "\n").encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def describe_skipped(skipped: Sequence[Skipped]) -> str:
    """Describe what was left out, with a few names, in one line; "" if there is nothing."""
    if not skipped:
        return ""
    named = "; ".join(f"{to_printable(each.id)} ({each.reason})" for each in skipped[:SHOWN])
    more = len(skipped) - SHOWN
    return f"{counted(len(skipped), 'picture')} {plural(len(skipped), 'is', 'are')} left out: {named}" + (
        f"; and {more:,} more" if more > 0 else ""
    )
