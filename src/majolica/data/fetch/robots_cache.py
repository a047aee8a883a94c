"""The robots.txt of each origin. It is asked for once, and shared by the rows that wait for it."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import lru_cache

from yarl import URL

from majolica.config.fetch import PoliteConfig
from majolica.data.fetch.robots import ALLOW_ALL, Robots, parse_robots
from majolica.data.fetch.status import Failure

MOST = 4096
"""How many origins are remembered."""
MOST_BYTES = 64_000_000
"""About how many bytes all rules together may take, because a robots.txt may be half a megabyte long."""
FRESH = 24 * 3600.0
"""Seconds for which an answer is valid (RFC 9309)."""
FRESH_FAILURE = 600.0

# Shops on one platform send the same text, so it is parsed and kept once.
_parsed = lru_cache(maxsize=128)(parse_robots)
_SHARED = 65_536
"""Characters of the longest text that is kept for this."""


class RobotsCache:
    """Rules by origin. `load(url)` returns the text of a robots.txt, or None if there is none, or raises Failure."""

    def __init__(self, config: PoliteConfig, load: Callable[[URL], Awaitable[str | None]]) -> None:
        self._config, self._load = config, load
        self._tasks: OrderedDict[URL, tuple[float, asyncio.Task[Robots | Failure]]] = OrderedDict()
        self._bytes = 0

    async def rules(self, url: URL) -> Robots:
        """Return the rules for our agent at the origin of `url`. Raises Failure if they cannot be read."""
        origin = url.origin()
        started, task = self._tasks.get(origin, (0.0, None))
        if task is None or time.monotonic() - started > _fresh(task):
            self._bytes -= _size(task)
            task = asyncio.create_task(self._ask(origin))
            self._tasks[origin] = (time.monotonic(), task)
        self._tasks.move_to_end(origin)
        self._forget()
        found = await asyncio.shield(task)  # a row that gives up must not cancel the answer for the others
        if isinstance(found, Failure):
            raise Failure(found.status, found.reason)
        return found

    async def close(self) -> None:
        """Cancel all requests."""
        tasks = [task for _, task in self._tasks.values() if not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, origin: URL) -> Robots | Failure:
        try:
            text = await self._load(origin.with_path("/robots.txt"))
        except Failure as failure:
            return failure
        parse = _parsed if text and len(text) <= _SHARED else parse_robots
        rules = parse(text, self._config.user_agent) if text else ALLOW_ALL
        self._bytes += rules.size()
        return rules

    def _forget(self) -> None:
        """Forget the origins that have not been asked for the longest time, while there are too many of them.

        The same is done while they take too much memory.
        """
        while len(self._tasks) > MOST or (self._bytes > MOST_BYTES and len(self._tasks) > 1):
            oldest, (_, task) = next(iter(self._tasks.items()))
            if not task.done():
                return
            del self._tasks[oldest]
            self._bytes -= _size(task)


def _size(task: asyncio.Task[Robots | Failure] | None) -> int:
    found = task.result() if task and task.done() and not task.cancelled() else None
    return found.size() if isinstance(found, Robots) else 0


def _fresh(task: asyncio.Task[Robots | Failure]) -> float:
    failed = task.done() and not task.cancelled() and isinstance(task.result(), Failure)
    return FRESH_FAILURE if failed else FRESH
