"""Download one URL. Every hop is checked, every wait is limited, and every error gets the name of a status."""

from __future__ import annotations

import asyncio
import email.utils
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from majolica.config.fetch import FetchConfig
from majolica.data.fetch import status
from majolica.data.fetch.address import Resolver
from majolica.data.fetch.budget import Budget
from majolica.data.fetch.hosts import Hosts
from majolica.data.fetch.picture import unpack_start
from majolica.data.fetch.robots import MOST_BYTES, opt_out
from majolica.data.fetch.robots_cache import RobotsCache
from majolica.data.fetch.session import classify_exception, open_session
from majolica.data.fetch.status import Failure
from majolica.data.fetch.turn import Turn, stop_clock
from majolica.data.fetch.urls import next_url
from majolica.data.urls import host_of
from majolica.plurals import counted

SMALL = 1_000_000
"""Downloads of at most so many bytes need no share of the memory budget."""
BUDGET = 256_000_000
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(slots=True)
class Body:
    """The answer of a URL: the bytes as they were sent, their Content-Encoding, and the URL that they came from."""

    data: bytearray
    encoding: str
    url: str


@dataclass(slots=True)
class TimeLeft:
    """Seconds that a URL may still take, over all its attempts."""

    seconds: float


class Downloader:
    """Downloads on one event loop. It is a context manager, and closes every connection at the end."""

    def __init__(self, config: FetchConfig, hosts: Hosts[Any]) -> None:
        self._config, self._web, self._hosts = config, config.web, hosts
        self._most = int(config.web.max_megabytes * 1e6)
        self._budget = Budget(max(BUDGET, self._most))
        self._robots = RobotsCache(config.polite, self._text_of_robots)

    async def __aenter__(self) -> Self:
        self._resolver = Resolver()
        self._session = open_session(self._config, self._resolver)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._robots.close()
        await self._session.close()
        await self._resolver.close()

    async def get(self, url: URL, left: TimeLeft, held: AsyncExitStack) -> Body:
        """Return the bytes of `url`. The time that it takes is subtracted from `left`; waiting for turns and memory is
        free.

        The caller holds a turn at the host of `url`, which is given back here. If a share of the memory budget is
        needed, it is put into `held`. Raises Failure.
        """
        turn = Turn(self._hosts, host_of(url))
        try:
            async with asyncio.timeout(left.seconds) as limit:
                try:
                    return await self._follow(url, turn, limit, held)
                finally:
                    now = asyncio.get_running_loop().time()
                    left.seconds = (limit.when() or now) - now
        except Failure as failure:
            raise self._blame(turn, failure) from None
        except Exception as error:  # whatever an answer does to the library, the other URLs must go on
            if isinstance(error, TimeoutError) and not str(error):
                error = TimeoutError(f"not done after {self._web.deadline:g} s")
            raise self._blame(turn, classify_exception(error)) from None
        finally:
            turn.end()

    def _blame(self, turn: Turn, failure: Failure) -> Failure:
        if failure.status != status.HOST_DOWN:
            self._hosts.report(turn.host, failure.status, failure.wait)
        return failure

    async def _follow(self, url: URL, turn: Turn, limit: asyncio.Timeout, held: AsyncExitStack) -> Body:
        for _ in range(self._web.redirects + 1):
            host = host_of(url)
            if host != turn.host:
                turn.end()
                await stop_clock(limit, turn.begin(host))
            self._hosts.check(host)
            if self._config.polite.robots:
                rules = await stop_clock(limit, self._robots.rules(url))
                self._hosts.slow_down(host, rules.delay)
                if not rules.allows(url.raw_path_qs):
                    raise Failure(status.ROBOTS, f"robots.txt of {host} disallows it")
            await stop_clock(limit, turn.pace())
            async with self._session.get(url, allow_redirects=False) as response:
                word = opt_out(
                    response.headers.getall("X-Robots-Tag", ()),
                    response.headers.get("TDM-Reservation"),
                    self._config.polite,
                )
                if word:
                    raise Failure(status.OPTED_OUT, f"{host} answers {word}")
                if response.status not in _REDIRECTS:
                    return await self._body(response, limit, held)
                url = next_url(url, _location(response.headers), self._web)
                self._hosts.report(host, status.SUCCESS)
        raise Failure(status.REDIRECTS, f"more than {counted(self._web.redirects, 'redirect')}")

    async def _body(self, response: aiohttp.ClientResponse, limit: asyncio.Timeout, held: AsyncExitStack) -> Body:
        if response.status != 200:
            raise Failure(status.name_status(response.status), response.reason or "", _retry_after(response.headers))
        declared = response.content_length
        if declared is not None and declared > self._most:
            raise Failure(status.TOO_LARGE, f"{declared} bytes")
        data = bytearray()
        lent = False
        async for chunk in response.content.iter_any():
            data += chunk
            if len(data) > self._most:
                raise Failure(status.TOO_LARGE, f"more than {self._most} bytes")
            if len(data) > SMALL and not lent:
                lent = True
                share = self._budget.lend(declared or self._most)
                await stop_clock(limit, held.enter_async_context(share))
        self._hosts.report(host_of(response.url), status.SUCCESS)
        return Body(data, _encoding_of(response), str(response.url))

    async def _text_of_robots(self, url: URL) -> str | None:
        """Return the text of a robots.txt, or None if there is none. Raises Failure, after half a deadline at the
        latest."""
        first = url
        try:
            async with asyncio.timeout(self._web.deadline / 2) as limit:
                for _ in range(6):
                    await stop_clock(limit, self._hosts.pace(host_of(url)))
                    async with self._session.get(url, allow_redirects=False) as response:
                        if response.status in _REDIRECTS:
                            url = next_url(url, _location(response.headers), self._web)
                            continue
                        return await _robots_text(response)
                return None
        except Exception as error:
            failure = error if isinstance(error, Failure) else classify_exception(error)
            if url is first and failure.status in _OF_THE_WAY:
                raise failure from None
            reason = f"robots.txt cannot be read ({failure.status}), which counts as a no (RFC 9309)"
            raise Failure(status.ROBOTS_UNREACHABLE, reason) from None


# These failures are not the fault of robots.txt: the picture would fail in the same way.
_OF_THE_WAY = frozenset({status.DNS, status.NO_SUCH_HOST, status.PRIVATE_ADDRESS, status.TLS, status.CONNECTION})


async def _robots_text(response: aiohttp.ClientResponse) -> str | None:
    if response.status >= 500 or response.status == 429:
        raise Failure(status.name_status(response.status))
    if response.status != 200:
        return None
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) >= MOST_BYTES:
            break
    plain = unpack_start(data, _encoding_of(response), MOST_BYTES)
    return plain[:MOST_BYTES].decode("utf-8", "replace").removeprefix("\ufeff")


def _encoding_of(response: aiohttp.ClientResponse) -> str:
    return response.headers.get("Content-Encoding", "").strip().lower()


def _location(headers: CIMultiDictProxy[str]) -> str:
    location = headers.get("Location", "")
    if not location:
        raise Failure(status.BAD_RESPONSE, "a redirect to nowhere")
    # Some servers send raw UTF-8 here, in which aiohttp replaces bytes that it cannot read by surrogates.
    return location.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _retry_after(headers: CIMultiDictProxy[str]) -> float:
    """Return how many seconds a host asks to be left alone; 0 if it does not say."""
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
