"""Limits that hold whatever servers do: requests to a host, memory, and a loop that never waits."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from majolica.config.fetch import FetchConfig
from majolica.config.io import save_config
from majolica.data.fetch import crawl
from majolica.data.fetch.run import fetch
from processes import ENVIRONMENT

Table = Callable[..., str]


def test_per_host_limit_and_delay(names: None, server: Any, table: Table, config: FetchConfig) -> None:
    urls = [f"http://h{i % 2}.test:{server.port}/photo/{i}" for i in range(24)]
    config = replace(config, input=(table(urls),), per_shard=100)
    config = replace(config, polite=replace(config.polite, per_host=2))
    fetch(config)
    assert server.most["h0.test"] <= 2 and server.most["h1.test"] <= 2
    began = time.monotonic()
    polite = replace(config.polite, delay=0.1, per_host=8, robots=False)
    fetch(replace(config, out=config.out + "-slow", polite=polite))
    assert time.monotonic() - began >= 1.1  # twelve of each host
    assert server.asked["h0.test/robots.txt"] == 1


def test_a_dead_host_is_given_up(server: Any, table: Table, config: FetchConfig) -> None:
    urls = [server.url(f"reset?{i}") for i in range(40)]
    config = replace(config, input=(table(urls),), per_shard=100)
    web, polite = replace(config.web, retries=0), replace(config.polite, give_up=5, per_host=2)
    totals = fetch(replace(config, web=web, polite=polite))
    assert totals.statuses["host_down"] >= 30 and totals.statuses["connection"] >= 5
    assert server.asked["127.0.0.1/reset"] <= 16  # aiohttp repeats a request on a connection that was kept


def test_memory_is_flat(server: Any, table: Table, config: FetchConfig, tmp_path: Path) -> None:
    """Bombs, endless bodies and drips by the hundred cost no more than a few pictures do."""
    peaks = []
    bad = ("endless", "bomb", "huge.png", "promises-much", "scans.jpg", "cut.jpg")
    for name, urls in (
        ("few", [server.url(f"photo/{i}") for i in range(8)]),
        ("many", [server.url(f"{bad[i % len(bad)]}?{i}") for i in range(240)]),
    ):
        save_config(
            replace(config, input=(table(urls, name=f"{name}.parquet"),), out=f"{config.out}-{name}"),
            tmp_path / "f.yaml",
        )
        code = (
            "import sys; from majolica.cli import main; main(sys.argv[1:]);"
            "print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')])"
        )
        words = [sys.executable, "-c", code, "data", "fetch", str(tmp_path / "f.yaml")]
        done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.split()[-1]) / 1024)
    assert peaks[1] < peaks[0] + 60, peaks  # MB: 32 connections of at most 1 MB, and what is being decoded
    assert peaks[1] < 300, peaks


def test_the_loop_is_never_blocked(
    server: Any, table: Table, config: FetchConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decoding happens on threads: while one picture takes a second, the others are downloaded."""
    make = crawl.make_picture
    monkeypatch.setattr(crawl, "make_picture", lambda *args: time.sleep(0.3) or make(*args))
    told: list[float] = []
    config = replace(config, input=(table([server.url(f"photo/{i}") for i in range(6)]),))
    fetch(config, report=lambda totals: told.append(time.monotonic()))
    assert max(b - a for a, b in pairwise(told)) < 1.2
