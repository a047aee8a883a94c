"""A budget of memory for decoding, so that many threads that each decode a large picture do not take too much together.

A lossless WebP of 34 bytes can decode to 64 megapixels, which take over a gigabyte meanwhile.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from majolica.data.pictures.faults import OVER_BUDGET, BadPicture

SMALL = 16_000_000
"""Pictures that take at most so many bytes need no share of a budget, because the number of threads limits them."""
_PILLOW = 24
"""The most bytes per pixel that Pillow's decoders and the conversion to RGB take: 23.1 for a lossless WebP
(measured)."""
_JPEG, _COEFFICIENTS = 4, 7
"""The same for a JPEG, and for the coefficients of all pixels, which a progressive JPEG keeps."""

Reserve = Callable[[int], None]
"""A function that is called, before a picture is decoded, with the bytes that it will take, and that waits until there
is so much. Raises BadPicture."""


def reserve_anything(size: int) -> None:
    """Allow any size. This is for callers that decode one picture after the other."""


def jpeg_bytes(pixels: int, part: int, progressive: bool) -> int:
    """Return the memory in bytes to decode a JPEG of `pixels` pixels at 1/`part` of its sides."""
    return _JPEG * pixels // part**2 + (_COEFFICIENTS * pixels if progressive else 0)


def pillow_bytes(pixels: int) -> int:
    """Return the memory in bytes to decode a picture of `pixels` pixels in any other format."""
    return _PILLOW * pixels


class MemoryBudget:
    """A budget of `total` bytes for threads; who asks first is served first."""

    def __init__(self, total: int) -> None:
        self._total = self._left = total
        self._free = threading.Condition()
        self._line: deque[object] = deque()

    @contextmanager
    def lease(self) -> Iterator[Reserve]:
        """Yield a `Reserve` that holds memory for one picture, until the next is asked for or the context ends."""
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
