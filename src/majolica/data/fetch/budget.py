"""A budget of memory for large downloads. A download waits until there is enough, so that many do not add up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Budget:
    """A budget of `total` bytes; who asks first is served first."""

    def __init__(self, total: int) -> None:
        self._total = self._left = total
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def lend(self, size: int) -> AsyncIterator[None]:
        """Hold `size` bytes, or the whole budget if that is less, for as long as the context lasts."""
        size = min(size, self._total)
        if self._line or size > self._left:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._line.append((size, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._give(size)
                raise
        else:
            self._left -= size
        try:
            yield
        finally:
            self._give(size)

    def _give(self, size: int) -> None:
        self._left += size
        while self._line and (self._line[0][1].done() or self._line[0][0] <= self._left):
            wanted, turn = self._line.popleft()
            if not turn.done():
                self._left -= wanted
                turn.set_result(None)
