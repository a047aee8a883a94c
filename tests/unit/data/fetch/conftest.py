"""A hostile server, names that lead to it, and what every test of it needs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hostile import Server, start
from majolica.config.fetch import FetchConfig, PoliteConfig, WebConfig
from majolica.data.fetch import address

DEADLINE = 5.0


@pytest.fixture
def server() -> Iterator[Server]:
    """A hostile server of this test alone."""
    server, loop = Server(0, 0), asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # clients that hang up are the point
    runner = loop.run_until_complete(start(server))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield server
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that end in .test lead to 127.0.0.1, which counts as public here; everything else is as always."""
    truly = address.is_public
    monkeypatch.setattr(address, "is_public", lambda ip: ip == "127.0.0.1" or truly(ip))
    look = address.lookup

    def lookup(host: str, port: int, family: int) -> list[tuple[int, str]]:
        if host == "inside.test":
            return [(2, "10.0.0.1"), (2, "192.168.1.1")]
        return [(2, "127.0.0.1")] if host.endswith(".test") else look(host, port, family)

    monkeypatch.setattr(address, "lookup", lookup)


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., str]:
    """table(urls, captions=None, **columns) -> a parquet file."""

    def make(urls: list[str], captions: list[Any] | None = None, name: str = "rows.parquet", **columns: Any) -> str:
        texts = captions if captions is not None else [f"picture {i}" for i in range(len(urls))]
        pq.write_table(pa.table({"URL": urls, "TEXT": texts, **columns}), tmp_path / name)
        return str(tmp_path / name)

    return make


@pytest.fixture
def config(tmp_path: Path, server: Server) -> FetchConfig:
    """Quick limits, any port; the input is the test's business."""
    web_config = WebConfig(
        connections=32, deadline=DEADLINE, connect=1.0, backoff=0.05, max_megabytes=1.0, ports=(server.port,)
    )
    picture = replace(FetchConfig().picture, side=48)
    return FetchConfig(
        out=str(tmp_path / "out"), threads=1, web=web_config, polite=PoliteConfig(give_up=0), picture=picture
    )
