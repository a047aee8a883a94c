"""A budget of memory for decoding: many threads that each unfold a large picture must not add up.

A lossless WebP of 34 bytes unfolds to 64 megapixels, which take over a gigabyte while they are decoded.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from majolica.data.pictures.faults import OVER_BUDGET, BadPicture

SMALL = 16_000_000
"""Bytes up to which a picture needs no share of a budget: there are only so many threads."""
_PILLOW = 24
"""Bytes a pixel that Pillow's decoders and the steps to RGB take at most: 23.1 for a lossless WebP (measured)."""
_JPEG, _COEFFICIENTS = 4, 7
"""The same for a JPEG, and for the coefficients that a progressive one keeps of all its pixels."""

Reserve = Callable[[int], None]
"""Called with the bytes that a picture will take, before it is decoded; waits for them. Raises BadPicture."""


def reserve_anything(size: int) -> None:
    """The reserve of whoever decodes one picture after the other."""


def jpeg_bytes(pixels: int, part: int, progressive: bool) -> int:
    """Memory in bytes to decode a JPEG of `pixels` at 1/`part` of its sides."""
    return _JPEG * pixels // part**2 + (_COEFFICIENTS * pixels if progressive else 0)


def pillow_bytes(pixels: int) -> int:
    """Memory in bytes to decode a picture of `pixels` in any other format."""
    return _PILLOW * pixels


class MemoryBudget:
    """`total` bytes, lent to threads in the order of their asking."""

    def __init__(self, total: int) -> None:
        self._total = self._left = total
        self._free = threading.Condition()
        self._line: deque[object] = deque()

    @contextmanager
    def lease(self) -> Iterator[Reserve]:
        """A reserve that holds memory for one picture at a time, until the next is asked for or the context ends."""
        held = 0

        def reserve(size: int) -> None:
            nonlocal held
            self._give(held)
            held = 0
            if size > SMALL:
                self._take(size)
                held = size

        try:
            yield reserve
        finally:
            self._give(held)

    def _take(self, size: int) -> None:
        if size > self._total:
            need, most = size / 1e9, self._total / 1e9
            raise BadPicture(OVER_BUDGET, f"decoding it takes about {need:.2g} GB, and decode_gb is {most:g}")
        ticket = object()
        with self._free:
            self._line.append(ticket)
            try:
                self._free.wait_for(lambda: self._line[0] is ticket and size <= self._left)
                self._left -= size
            finally:
                self._line.remove(ticket)
                self._free.notify_all()

    def _give(self, size: int) -> None:
        if size:
            with self._free:
                self._left += size
                self._free.notify_all()
