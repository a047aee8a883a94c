"""Several folders of shards as one: their samples are numbered on from folder to folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import accumulate
from typing import Self

from majolica.data.store.record import Record
from majolica.data.store.remote import is_remote
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError


class ShardSets:
    """The samples of all `folders`, in their order, including those with empty captions.

    Raises UserError where a folder is named twice, or holds nothing to read.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        known: set[str] = set()
        for folder in folders:
            place = folder if is_remote(folder) else os.path.realpath(folder)
            if place in known:
                raise UserError(f"{folder} is named twice, and its pictures would all count as copies: name it once")
            known.add(place)
        self.folders = tuple(folders)
        self._opened = ExitStack()
        try:
            self.sets = [self._opened.enter_context(ShardSet(folder, empty_captions="keep")) for folder in folders]
        except BaseException:
            self.close()
            raise
        self._ends = list(accumulate(map(len, self.sets)))

    def __len__(self) -> int:
        return self._ends[-1]

    @property
    def manifests(self) -> tuple[str, ...]:
        """The manifest of each folder; where they are equal, samples have the same numbers."""
        return tuple(shards.manifest for shards in self.sets)

    def read(self, i: int) -> Record:
        """Sample `i`, as `ShardSet.read` gives it."""
        shards, number = self._in(i)
        return shards.read(number)

    def caption(self, i: int) -> str:
        """The caption of sample `i`, as `ShardSet.caption` gives it."""
        shards, number = self._in(i)
        return shards.caption(number)

    def place_of(self, i: int) -> str:
        """The place of sample `i`, as `ShardSet.place_of` gives it."""
        shards, number = self._in(i)
        return shards.place_of(number)

    def close(self) -> None:
        """Remove the copies of remote tars."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _in(self, i: int) -> tuple[ShardSet, int]:
        for shards, end in zip(self.sets, self._ends, strict=True):
            if i < end:
                return shards, i - end + len(shards)
        raise IndexError(i)
