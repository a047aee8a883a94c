"""Whose turn it is. Rows wait in a queue for each host, so that a slow or limited host delays only its own rows."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from majolica.config.fetch import PoliteConfig
from majolica.data.fetch import status
from majolica.data.fetch.status import Failure
from majolica.plurals import counted

T = TypeVar("T")

LONGEST_WAIT = 30.0
"""Seconds. A host that asks to be left alone for longer than this is not asked again in this run."""
MOST_HOSTS = 50_000


@dataclass(slots=True)
class Host:
    """What is known of one host."""

    active: int = 0
    free_at: float = 0.0
    """The time from which on the next request may start."""
    asked_at: float = -math.inf
    """The time at which the last request started."""
    delay: float = 0.0
    line: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Requests that wait until they may start; the first that came starts first."""
    starting: int = 0
    """Rows that have a turn and have not asked for anything yet."""
    failures: int = 0
    """Number of failures in a row."""
    closed_until: float = 0.0
    guests: deque[asyncio.Future[None]] = field(default_factory=deque)
    """Redirects that wait for a turn at this host."""


class Hosts(Generic[T]):
    """Rows of type T in the queues of their hosts. One coroutine calls `next`; any coroutine may call the rest.

    A turn at a host is one of its connections. Every request, of whatever kind, waits for `pace` first.
    """

    def __init__(self, config: PoliteConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._config, self._clock = config, clock
        self._hosts: dict[str, Host] = {}
        self._waiting: dict[str, deque[T]] = {}
        self._ready: deque[str] = deque()
        self._in_ready: set[str] = set()
        self._later: list[tuple[float, int, str, T | None]] = []
        self._count = itertools.count()
        self._news = asyncio.Event()

    def put(self, name: str, row: T, wait: float = 0.0) -> None:
        """Put a row into the queue of host `name`, after `wait` seconds."""
        if wait > 0:
            heapq.heappush(self._later, (self._clock() + wait, next(self._count), name, row))
        else:
            self._waiting.setdefault(name, deque()).append(row)
            self._mark(name)
        self._news.set()

    async def next(self) -> T:
        """Wait for the next row whose host is free, and take its turn there; `leave` gives it back."""
        while True:
            self._wake()
            while self._ready:
                name = self._ready.popleft()
                self._in_ready.discard(name)
                if (row := self._take(name)) is not None:
                    return row
            self._news.clear()
            pause = self._later[0][0] - self._clock() if self._later else None
            try:
                await asyncio.wait_for(self._news.wait(), pause)
            except TimeoutError:
                continue

    async def enter(self, name: str) -> None:
        """Wait for a turn at host `name`. This is for redirects, which go before rows that have not begun."""
        host = self._host(name)
        if host.active < self._config.per_host:
            host.active += 1
        else:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            host.guests.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self.leave(name)
                raise

    async def pace(self, name: str) -> None:
        """Wait until a request to host `name` may start; the caller must start it then.

        This is for every request, also for a robots.txt and after a redirect. A delay that is learned meanwhile, or a
        rest that the host asks for, holds for requests that already wait.
        """
        host = self._host(name)
        async with host.line:
            while (pause := host.free_at - self._clock()) > 0:
                await asyncio.sleep(pause)
            host.asked_at = self._clock()
            if host.delay:
                host.free_at = host.asked_at + host.delay

    def begin(self, name: str) -> None:
        """Note that a row from `next` has made its first request, or makes none, so that others may get a turn."""
        self._host(name).starting -= 1
        if name in self._waiting:
            self._mark(name)
            self._news.set()

    def leave(self, name: str) -> None:
        """Give back a turn at host `name`."""
        host = self._host(name)
        while host.guests:
            if not (turn := host.guests.popleft()).done():
                turn.set_result(None)
                return
        host.active -= 1
        if name in self._waiting:
            self._mark(name)
            self._news.set()

    def check(self, name: str) -> None:
        """Raise Failure if host `name` is not to be asked any more."""
        host = self._host(name)
        if self._config.give_up and host.failures >= self._config.give_up:
            raise Failure(status.HOST_DOWN, f"{name} failed {counted(host.failures, 'time')} in a row")
        if host.closed_until - self._clock() > LONGEST_WAIT:
            raise Failure(status.HOST_DOWN, f"{name} asks for a longer rest")

    def report(self, name: str, word: str, wait: float = 0.0) -> None:
        """Note how a request to host `name` ended; `wait` is its Retry-After in seconds."""
        host = self._host(name)
        host.failures = host.failures + 1 if status.host_is_ailing(word) else 0
        if wait > LONGEST_WAIT:
            host.closed_until = self._clock() + wait
        elif wait > 0:
            host.free_at = max(host.free_at, self._clock() + wait)

    def slow_down(self, name: str, delay: float) -> None:
        """Keep at least `delay` seconds between two starts at host `name`, beginning with the last start."""
        host = self._host(name)
        if delay > host.delay:
            host.delay = delay
            host.free_at = max(host.free_at, host.asked_at + delay)

    def forget(self) -> None:
        """Forget idle hosts, if there are many."""
        if len(self._hosts) > MOST_HOSTS:
            now = self._clock()
            for name, host in list(self._hosts.items()):
                if not host.active and name not in self._waiting and host.free_at < now and host.closed_until < now:
                    del self._hosts[name]

    def _host(self, name: str) -> Host:
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = Host(delay=self._config.delay)
        return host

    def _mark(self, name: str) -> None:
        if name not in self._in_ready:
            self._in_ready.add(name)
            self._ready.append(name)

    def _wake(self) -> None:
        """Put rows and hosts whose time has come into the queues."""
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            _, _, name, row = heapq.heappop(self._later)
            if row is not None:
                self._waiting.setdefault(name, deque()).append(row)
            self._mark(name)

    def _take(self, name: str) -> T | None:
        """Return a row of host `name`, if there is one and the host is free."""
        host = self._host(name)
        if name not in self._waiting or host.active >= self._config.per_host or (host.delay and host.starting):
            return None  # `leave` or `begin` marks it again
        if host.free_at > self._clock():
            heapq.heappush(self._later, (host.free_at, next(self._count), name, None))
            return None
        rows = self._waiting[name]
        row = rows.popleft()
        if rows:
            self._mark(name)
        else:
            del self._waiting[name]
        host.active += 1
        host.starting += 1
        return row
