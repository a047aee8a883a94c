"""Only public addresses are connected to. They are checked where a socket is made.

A name may resolve to one address when it is checked and to another when it is used (DNS rebinding), and a redirect may
lead anywhere, so a check of the URL proves nothing. aiohttp calls `guarded_socket` for each connection, with the very
address that it then connects to.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from majolica.data.fetch.special import is_public


class PrivateAddress(OSError):
    """A connection to an address that is not public."""

    def __init__(self) -> None:
        super().__init__("the address is not public")


def guarded_socket(info: tuple[Any, ...]) -> socket.socket:
    """Return a socket for `info`, which is as getaddrinfo gives it. Raises PrivateAddress if it is not public."""
    family, kind, protocol, _, address = info
    if not is_public(address[0]):
        raise PrivateAddress
    return socket.socket(family, kind, protocol)


class Resolver(AbstractResolver):
    """Resolves names with getaddrinfo on threads of its own, and remembers failures for a while.

    asyncio has few threads, and a dead name may keep one busy for many seconds. Lists of URLs name the same dead hosts
    again and again.
    """

    def __init__(self, threads: int = 32, forget: float = 300.0, most: int = 100_000) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="majolica-dns")
        self._forget, self._most = forget, most
        self._failed: OrderedDict[str, tuple[float, socket.gaierror]] = OrderedDict()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of `host`. Raises socket.gaierror."""
        when, error = self._failed.get(host, (0.0, None))
        if error is not None and time.monotonic() - when < self._forget:
            raise error
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._pool, lookup, host, port, family)
        except UnicodeError as wrong:  # a label of the name is empty or longer than 63 bytes
            raise socket.gaierror(socket.EAI_NONAME, str(wrong)) from wrong
        except socket.gaierror as error:
            self._failed[host] = (time.monotonic(), error)
            if len(self._failed) > self._most:
                self._failed.popitem(last=False)
            raise
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=flags)
            for kind, address in found
        ]

    async def close(self) -> None:
        """Stop the threads, without waiting for one that still resolves a dead name."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def lookup(host: str, port: int, family: int) -> list[tuple[int, str]]:
    """Return (family, address) of `host`, as the system resolves it."""
    infos = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [(info[0], str(info[4][0])) for info in infos]
