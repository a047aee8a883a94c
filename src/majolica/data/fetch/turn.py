"""The turn of a download at a host, and waits that do not count against the deadline of its URL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from majolica.data.fetch.hosts import Hosts

T = TypeVar("T")


class Turn:
    """The turn at a host that a download holds, if it holds one."""

    def __init__(self, hosts: Hosts[Any], host: str) -> None:
        self._hosts, self.host, self._held, self._new = hosts, host, True, True

    async def begin(self, host: str) -> None:
        await self._hosts.enter(host)
        self.host, self._held = host, True

    async def pace(self) -> None:
        """Wait until a request here may start."""
        await self._hosts.pace(self.host)
        self._begun()

    def end(self) -> None:
        self._begun()
        if self._held:
            self._held = False
            self._hosts.leave(self.host)

    def _begun(self) -> None:
        """Report that the row from `Hosts.next` has made its first request, or makes none at this host."""
        if self._new:
            self._new = False
            self._hosts.begin(self.host)


async def stop_clock(limit: asyncio.Timeout, wait: Awaitable[T]) -> T:
    """Await something that is not the fault of the URL; its deadline moves by as much."""
    loop = asyncio.get_running_loop()
    left = (limit.when() or loop.time()) - loop.time()
    limit.reschedule(None)
    try:
        return await wait
    finally:
        limit.reschedule(loop.time() + max(left, 0.001))
