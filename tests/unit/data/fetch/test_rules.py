"""Addresses, URLs and robots: small rules with many cases."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

import pytest

from majolica.config.fetch import PoliteConfig, WebConfig
from majolica.data.fetch import address
from majolica.data.fetch.address import PrivateAddress, Resolver, guarded_socket
from majolica.data.fetch.budget import Budget
from majolica.data.fetch.hosts import Hosts
from majolica.data.fetch.robots import LONGEST_DELAY, matches_pattern, opt_out, parse_robots
from majolica.data.fetch.special import is_public
from majolica.data.fetch.status import Failure, may_pass, worth_repeating
from majolica.data.fetch.urls import first_url, next_url

PUBLIC = ("1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")
PRIVATE = (
    *("127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254"),
    *("100.64.0.1", "100.100.100.200", "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.2.1"),
    *("198.18.0.1", "168.63.129.16", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001::1"),
    "2001:db8::1",
)


@pytest.mark.parametrize("ip", PUBLIC)
def test_public_addresses(ip: str) -> None:
    assert is_public(ip)


@pytest.mark.parametrize("ip", PRIVATE)
def test_addresses_that_are_not_public(ip: str) -> None:
    assert not is_public(ip)
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with pytest.raises(PrivateAddress):
        guarded_socket((family, socket.SOCK_STREAM, 0, "", (ip, 80)))


def test_a_failed_name_is_remembered_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def lookup(host: str, port: int, family: int) -> list[tuple[int, str]]:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(address, "lookup", lookup)

    async def main() -> None:
        for forget in (60.0, 0.0):
            resolver = Resolver(threads=1, forget=forget)
            for _ in range(3):
                with pytest.raises(socket.gaierror):
                    await resolver.resolve("dead.test")
            await resolver.close()

    asyncio.run(main())
    assert len(asked) == 1 + 3


def test_redirects_are_judged_like_first_urls() -> None:
    web = WebConfig(ports=(80, 443, 8080))
    here = first_url(" http://a.test/x/y.jpg?q=ü#part ", web)
    assert str(here) == "http://a.test/x/y.jpg?q=%C3%BC"
    for location, there in (
        ("z.jpg", "http://a.test/x/z.jpg"),
        ("/z.jpg", "http://a.test/z.jpg"),
        ("//b.test/z", "http://b.test/z"),
        ("https://b.test:8080/", "https://b.test:8080/"),
        ("?page=2:3", "http://a.test/x/y.jpg?page=2:3"),
    ):
        assert str(next_url(here, location, web)) == there
    for location, word in (
        ("https://b.test:8443/", "port"),
        ("gopher://b.test/", "scheme"),
        ("http://me@b.test/", "credentials"),
        ("http://[::1", "bad_url"),
        ("http://127.1/", "bad_url"),
        ("http://a.test/\x00", "bad_url"),
    ):
        with pytest.raises(Failure) as told:
            next_url(here, location, web)
        assert told.value.status == word, location
    assert first_url("http://a.test:22/", WebConfig(ports=())).port == 22
    assert first_url("http://münchen.test/", web).raw_host == "xn--mnchen-3ya.test"


ROBOTS = """\ufeff# comment
User-agent: otherbot
Disallow: /

User-Agent: Majolica  # ours
user-agent: friend
Disallow: /private
Allow: /private/open
Disallow: /*.gif$
Disallow: /*/draft/*.jpg
Disallow: /pfad/%C3%BC
Disallow:
Crawl-delay: 2.5

User-agent: *
Disallow: /everything
Crawl-delay: 999

User-agent: majolica
Disallow: /second-group
"""


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", True),
        ("/private/x.jpg", False),
        ("/private/open/x.jpg", True),
        ("/privateer", False),
        ("/a.gif", False),
        ("/a.gif?x", True),
        ("/a/draft/b.jpg", False),
        ("/a/draft/b.png", True),
        ("/pfad/ü", False),
        ("/pfad/%c3%bc", False),
        ("/everything", True),
        ("/second-group/x", False),
        ("/robots.txt", True),
    ],
)
def test_robots_for_us(path: str, allowed: bool) -> None:
    assert parse_robots(ROBOTS.removeprefix("\ufeff"), "majolica").allows(path) is allowed


def test_robots_for_others() -> None:
    rules = parse_robots(ROBOTS.removeprefix("\ufeff"), "somebody")
    assert not rules.allows("/everything/x") and rules.allows("/private") and rules.delay == LONGEST_DELAY
    assert parse_robots(ROBOTS.removeprefix("\ufeff"), "majolica").delay == 2.5
    assert parse_robots("", "majolica").allows("/x")
    assert parse_robots("<html>not robots</html>", "majolica").allows("/x")
    assert parse_robots("User-agent: *\nDisallow: /a\nAllow: /a\nCrawl-delay: x", "majolica").allows("/a")


def test_patterns_take_linear_time() -> None:
    began = time.monotonic()
    assert not matches_pattern("/" + "*a" * 2000 + "$", "/" + "a" * 1900 + "b")
    assert (
        matches_pattern("/*a*b*$", "/xaxbx")
        and not matches_pattern("/ab*b$", "/ab")
        and matches_pattern("/ab*b", "/abb")
    )
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("tags", "word"),
    [
        (["noai"], "noai"),
        (["NoImageAI, nofollow"], "noimageai"),
        (["nofollow"], None),
        (["all", "noindex"], "noindex"),
        (["otherbot: noai"], None),
        (["majolica: noai"], "noai"),
        (["otherbot: noai, noindex"], None),
        (["otherbot: noai, majolica: noml"], "noml"),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST, noai"], "noai"),
        (["max-image-preview: none"], None),
        (["none"], "noindex"),
        ([""], None),
    ],
)
def test_opt_outs(tags: list[str], word: str | None) -> None:
    assert opt_out(tags, None, PoliteConfig()) == word


def test_opt_outs_are_as_configured() -> None:
    only = PoliteConfig(opt_outs=("noai",))
    assert opt_out(["noindex", "none"], "1", only) is None and opt_out(["noai"], None, only) == "noai"
    assert opt_out([], " 1 ", PoliteConfig()) == "tdm-reservation" and opt_out([], "0", PoliteConfig()) is None


def test_what_is_asked_again() -> None:
    assert may_pass("timeout") and not worth_repeating("timeout")
    assert all(may_pass(word) and worth_repeating(word) for word in ("connection", "dns", "http_429", "http_503"))
    rules = ("robots", "opted_out", "private_address", "no_such_host", "http_404", "damaged", "duplicate", "success")
    assert not any(may_pass(word) or worth_repeating(word) for word in rules)


def in_loop(test: Callable[[], object]) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            await test()  # type: ignore[misc]

    asyncio.run(main())


def test_a_full_host_does_not_hold_up_others() -> None:
    async def test() -> None:
        hosts: Hosts[str] = Hosts(PoliteConfig(per_host=1))
        for row in ("a1", "a2", "a3", "b1", "c1"):
            hosts.put(row[0], row)
        assert [await hosts.next() for _ in range(3)] == ["a1", "b1", "c1"]
        waiting = asyncio.create_task(hosts.next())
        await asyncio.sleep(0.02)
        assert not waiting.done()
        hosts.leave("a")
        assert await waiting == "a2"
        hosts.leave("a")
        assert await hosts.next() == "a3"

    in_loop(test)


def test_redirects_go_before_rows_and_cancelled_ones_keep_no_turn() -> None:
    async def test() -> None:
        hosts: Hosts[str] = Hosts(PoliteConfig(per_host=1))
        hosts.put("a", "row")
        await hosts.enter("a")
        first, second = asyncio.create_task(hosts.enter("a")), asyncio.create_task(hosts.enter("a"))
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.sleep(0.01)
        hosts.leave("a")
        await second
        row = asyncio.create_task(hosts.next())
        await asyncio.sleep(0.01)
        assert not row.done()
        hosts.leave("a")
        assert await row == "row"

    in_loop(test)


def test_rests_delays_and_dead_hosts() -> None:
    async def test() -> None:
        now = [0.0]
        hosts: Hosts[str] = Hosts(PoliteConfig(give_up=2), clock=lambda: now[0])
        hosts.report("a", "http_429", wait=5.0)
        hosts.put("a", "one")
        hosts.put("b", "two", wait=1.0)
        task = asyncio.create_task(hosts.next())
        await asyncio.sleep(0.01)
        assert not task.done()
        task.cancel()
        now[0] = 5.0
        assert {await hosts.next(), await hosts.next()} == {"one", "two"}
        hosts.check("a")
        hosts.report("a", "timeout")
        with pytest.raises(Failure, match="2 times in a row"):
            hosts.check("a")
        hosts.report("a", "http_404")  # it lives
        hosts.check("a")
        hosts.report("a", "http_503", wait=3600.0)
        with pytest.raises(Failure, match="longer rest"):
            hosts.check("a")

    in_loop(test)


def test_the_budget_is_kept_and_given_back() -> None:
    async def test() -> None:
        budget, held, most = Budget(10), [0], [0]

        async def use(size: int) -> None:
            async with budget.lend(size):
                held[0] += min(size, 10)
                most[0] = max(most[0], held[0])
                try:
                    await asyncio.sleep(0.001)
                finally:
                    held[0] -= min(size, 10)

        tasks = [asyncio.create_task(use(size)) for size in (3, 5, 8, 1, 99, 2, 7) * 5]
        await asyncio.sleep(0.002)
        for task in tasks[::3]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with budget.lend(10):
            assert most[0] <= 10

    in_loop(test)
