"""Every request to a host keeps its distance from the one before: robots.txt, pictures and redirects alike."""

from __future__ import annotations

import asyncio
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from majolica.config.fetch import FetchConfig, PoliteConfig
from majolica.data.fetch.hosts import Hosts
from majolica.data.fetch.run import fetch


class Jump(selectors.DefaultSelector):
    """Instead of waiting, lets the clock jump to when something is due."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if not found and timeout:
            self.now += timeout
        return found


def in_jumping_time(test: Callable[[Callable[[], float]], Awaitable[None]]) -> None:
    """Run `test`, which gets a clock that only moves when everybody waits."""
    selector = Jump()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    try:
        loop.run_until_complete(test(loop.time))
    finally:
        loop.close()


def gaps(times: list[float]) -> list[float]:
    return [round(b - a, 6) for a, b in pairwise(sorted(times))]


async def ask(hosts: Hosts[str], name: str, clock: Callable[[], float], starts: list[float], took: float = 0.1) -> None:
    """One request at a host where a turn is held."""
    await hosts.pace(name)
    starts.append(clock())
    await asyncio.sleep(took)


def test_a_delay_that_robots_txt_asks_for_holds_for_the_first_rows_too() -> None:
    """Eight rows have their turns before robots.txt has come, half a second later; it was the first request."""

    async def test(clock: Callable[[], float]) -> None:
        hosts: Hosts[str] = Hosts(PoliteConfig(per_host=8), clock=clock)
        starts: list[float] = []
        known = asyncio.Event()
        for i in range(8):
            hosts.put("a", str(i))

        async def robots() -> None:
            await ask(hosts, "a", clock, starts, took=0.5)
            known.set()

        async def row() -> None:
            await known.wait()
            hosts.slow_down("a", 2.0)
            await ask(hosts, "a", clock, starts)
            hosts.begin("a")
            hosts.leave("a")

        asking = asyncio.create_task(robots())
        rows = []
        for _ in range(8):
            await hosts.next()
            rows.append(asyncio.create_task(row()))
        await asyncio.gather(asking, *rows)
        assert starts[0] == 0.0 and gaps(starts) == [2.0] * 8

    in_jumping_time(test)


def test_rows_robots_and_redirects_are_spaced_together() -> None:
    async def test(clock: Callable[[], float]) -> None:
        hosts: Hosts[str] = Hosts(PoliteConfig(per_host=3, delay=1.0), clock=clock)
        starts: list[float] = []
        for i in range(4):
            hosts.put("a", str(i))

        async def row() -> None:
            await ask(hosts, "a", clock, starts)
            hosts.begin("a")
            await ask(hosts, "a", clock, starts)  # to another place on the same host
            hosts.leave("a")

        async def redirect() -> None:
            await hosts.enter("a")
            await ask(hosts, "a", clock, starts)
            hosts.leave("a")

        others = [asyncio.create_task(redirect()) for _ in range(3)]
        rows = [asyncio.create_task(row()) for _ in range(4) if await hosts.next()]
        await asyncio.gather(*rows, *others)
        assert len(starts) == 11 and min(gaps(starts)) >= 1.0
        assert max(gaps(starts)) == 1.0  # and nobody waits longer than that

    in_jumping_time(test)


def test_who_waits_already_heeds_a_longer_delay_and_a_rest() -> None:
    async def test(clock: Callable[[], float]) -> None:
        hosts: Hosts[str] = Hosts(PoliteConfig(delay=1.0), clock=clock)
        starts: list[float] = []
        waiting = [asyncio.create_task(ask(hosts, "a", clock, starts, took=0.0)) for _ in range(5)]
        await asyncio.sleep(0.5)
        hosts.slow_down("a", 5.0)
        await asyncio.sleep(6.0)
        hosts.report("a", "http_429", wait=20.0)
        await asyncio.gather(*waiting)
        assert starts == [0.0, 5.0, 26.5, 31.5, 36.5]

    in_jumping_time(test)


def test_rows_that_must_wait_hold_no_turns() -> None:
    """One row at a time waits at a host with a delay: the connections are there for other hosts."""

    async def test(clock: Callable[[], float]) -> None:
        hosts: Hosts[str] = Hosts(PoliteConfig(per_host=8, delay=10.0), clock=clock)
        for i in range(4):
            hosts.put("a", str(i))
        await hosts.next()
        second = asyncio.create_task(hosts.next())
        await asyncio.sleep(1)
        assert not second.done()  # the first has not asked yet
        await hosts.pace("a")
        hosts.begin("a")
        await asyncio.sleep(9)
        assert not second.done()
        await asyncio.sleep(2)
        assert second.done()
        hosts.begin("a")  # it makes no request after all
        assert await hosts.next()

    in_jumping_time(test)


def test_every_request_that_a_server_sees_was_paced(
    names: None,
    server: Any,
    table: Callable[..., str],
    config: FetchConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pictures, robots.txt, redirects on the same host and to another: as many as waited for their time."""
    paced: Counter[str] = Counter()
    real = Hosts.pace

    async def counted(self: Hosts[Any], name: str) -> None:
        await real(self, name)
        paced[name] += 1

    monkeypatch.setattr(Hosts, "pace", counted)
    urls = [f"http://a.test:{server.port}/{path}" for path in ("photo/1", "to-good", "to-other-host", "404")]
    fetch(replace(config, input=(table(urls),)))
    asked: Counter[str] = Counter()
    for place, number in server.asked.items():
        asked[place.partition("/")[0]] += number
    assert asked == paced == {"a.test": 6, "elsewhere.test": 2}


def test_a_crawl_delay_is_kept_by_a_real_crawl(
    names: None,
    server: Any,
    table: Callable[..., str],
    config: FetchConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The times at which requests may start are never closer together than robots.txt asks for."""
    starts: list[float] = []
    real = Hosts.pace

    async def noted(self: Hosts[Any], name: str) -> None:
        await real(self, name)
        starts.append(self._host(name).asked_at)

    monkeypatch.setattr(Hosts, "pace", noted)
    urls = [f"http://slow.test:{server.port}/photo/{i}" for i in range(5)]
    totals = fetch(replace(config, input=(table(urls),)))
    assert totals.statuses["success"] == 5
    assert len(starts) == 6 and min(b - a for a, b in pairwise(starts)) >= 0.05
