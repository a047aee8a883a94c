"""A server that does everything a server should not, on loopback, and what every test of it needs."""

from __future__ import annotations

import asyncio
import gzip
import io
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from aiohttp import web
from PIL import Image

import profiles
from majolica.config.fetch import FetchConfig, PoliteConfig, WebConfig
from majolica.data.fetch import address

DEADLINE = 5.0


def photo(seed: int = 0, width: int = 90, height: int = 60) -> Image.Image:
    """A smooth picture, different for each seed."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (4, 6, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def encoded(picture: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """`picture` as a file of that kind."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def rotated_jpeg() -> bytes:
    """A JPEG that lies on its side and says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(photo(3, 90, 60), exif=exif)


def deep_png() -> bytes:
    """16 bits of grey, a ramp from black to white."""
    return encoded(Image.fromarray(np.linspace(0, 65535, 64 * 96).reshape(64, 96).astype(np.uint16)), "PNG")


def clear_png() -> bytes:
    """Red where it is opaque, else transparent black."""
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, :32] = (255, 0, 0, 255)
    return encoded(Image.fromarray(pixels), "PNG")


def many_scans() -> bytes:
    """A progressive JPEG whose last scan comes a thousand times."""
    data = encoded(photo(5), progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 1000 + data[-2:]


FILES: dict[str, tuple[bytes, str]] = {
    "good.jpg": (encoded(photo(1)), "image/jpeg"),
    "small.jpg": (encoded(photo(1, 8, 8)), "image/jpeg"),
    "copy.jpg": (encoded(photo(1)), "image/jpeg"),
    "huge.png": (encoded(Image.new("1", (20_000, 20_000)), "PNG"), "image/png"),
    "page.jpg": (b"<!DOCTYPE html><html><body>Not here</body></html>", "image/jpeg"),
    "cut.jpg": (encoded(photo(2, 300, 200))[:4000], "image/jpeg"),
    "scans.jpg": (many_scans(), "image/jpeg"),
    "empty.jpg": (b"", "image/jpeg"),
    "drawing.svg": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
    "moves.gif": (encoded(photo(6), "GIF", save_all=True, append_images=[photo(7)]), "image/gif"),
    "moves.webp": (encoded(photo(8), "WEBP", save_all=True, append_images=[photo(9)]), "image/webp"),
    "cmyk.jpg": (encoded(photo(10).convert("CMYK")), "image/jpeg"),
    "deep.png": (deep_png(), "image/png"),
    "turned.jpg": (rotated_jpeg(), "image/jpeg"),
    "clear.png": (clear_png(), "image/png"),
    "grün.jpg": (encoded(photo(11)), "image/jpeg"),
    "secret.jpg": (encoded(photo(12)), "image/jpeg"),
    "large.png": (encoded(Image.new("1", (2000, 2000)), "PNG"), "image/png"),
    "wide-gamut.jpg": (
        encoded(Image.new("RGB", (400, 400), (173, 62, 53)), quality=100, icc_profile=profiles.adobe_rgb()),
        "image/jpeg",
    ),
    "odd-profile.jpg": (
        encoded(Image.new("RGB", (400, 400), (200, 60, 49)), quality=100, icc_profile=b"not a profile"),
        "image/jpeg",
    ),
}
"""Path -> body and Content-Type of plain answers."""

BOMB = gzip.compress(b"\xff\xd8" + bytes(50_000_000), 1)

HEADERS = {
    "noai.jpg": {"X-Robots-Tag": "noai"},
    "noml.jpg": {"X-Robots-Tag": "noarchive, noml"},
    "other-noai.jpg": {"X-Robots-Tag": "otherbot: noai"},
    "our-noai.jpg": {"X-Robots-Tag": "majolica: noimageai"},
    "none.jpg": {"X-Robots-Tag": "none"},
    "reserved.jpg": {"TDM-Reservation": "1"},
}
"""Path -> headers that say what the picture may not be used for."""


@dataclass
class Server:
    """A running hostile server."""

    port: int
    other_port: int
    asked: Counter[str] = field(default_factory=Counter)
    """Requests by host and path."""
    most: Counter[str] = field(default_factory=Counter)
    """Most requests at the same time by host."""
    now: Counter[str] = field(default_factory=Counter)
    well: bool = False
    """Whether the path `later` works by now."""

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}/{path}"


async def _answer(server: Server, request: web.Request) -> web.StreamResponse:
    host, path = request.host.partition(":")[0], request.path.lstrip("/")
    server.asked[f"{host}/{path}"] += 1
    server.now[host] += 1
    server.most[host] = max(server.most[host], server.now[host])
    try:
        if path == "robots.txt":
            return await _robots(host)
        if path in HEADERS:
            return web.Response(body=FILES["good.jpg"][0], headers=HEADERS[path])
        if path in FILES:
            body, kind = FILES[path]
            return web.Response(body=body, content_type=kind)
        if path.startswith("photo/"):
            await asyncio.sleep(0.002)
            return web.Response(body=encoded(photo(int(path.removeprefix("photo/")))), content_type="image/jpeg")
        return await _misbehave(server, request, host, path)
    finally:
        server.now[host] -= 1


async def _robots(host: str) -> web.StreamResponse:
    if host == "hangs.test":
        await asyncio.sleep(60)
    if host == "breaks.test":
        return web.Response(status=503)
    if host == "slow.test":
        return web.Response(text="User-agent: *\nCrawl-delay: 0.05\n")
    if host == "closed.test":
        return web.Response(text="User-agent: *\nDisallow: /\n")
    if host == "partly.test":
        return web.Response(text="User-agent: majolica\nDisallow: /secret\nAllow: /\n\nUser-agent: *\nDisallow: /\n")
    return web.Response(status=404)


async def _misbehave(server: Server, request: web.Request, host: str, path: str) -> web.StreamResponse:
    good = FILES["good.jpg"][0]
    attempt = server.asked[f"{host}/{path}"]
    if path == "drip":
        return await _stream(request, [b"\xff\xd8" + b"x"] + [b"x"] * 600, 0.1)
    if path == "endless":
        return await _stream(request, [b"x" * 65536] * 2000)
    if path == "slow-headers":
        await asyncio.sleep(60)
    if path == "reset" and request.transport:
        request.transport.abort()
    if path == "short":  # fewer bytes than promised
        return await _stream(request, [good[:100]], length=len(good), abort=True)
    if path == "promises-much":
        return await _stream(request, [good], length=10**12, abort=True)
    if path == "bomb":
        return web.Response(body=BOMB, headers={"Content-Encoding": "gzip"})
    if path == "packed.jpg":
        return web.Response(body=gzip.compress(good), headers={"Content-Encoding": "gzip"})
    if path == "brotli":
        return web.Response(body=good, headers={"Content-Encoding": "br"})
    if path == "busy" and attempt == 1:
        return web.Response(status=429, headers={"Retry-After": "1"})
    if path == "very-busy":
        return web.Response(status=429, headers={"Retry-After": "86400"})
    if path == "flaky" and attempt == 1:
        return web.Response(status=500)
    if path == "always-500" or (path == "later" and not server.well):
        return web.Response(status=500)
    if path in ("busy", "flaky", "later"):
        return web.Response(body=encoded(photo(100 + len(path))))
    if path.isdecimal():
        return web.Response(status=int(path))
    if (to := _target(server, path)) is not None:
        return web.Response(status=302, headers={"Location": to})
    return web.Response(status=404)


def _target(server: Server, path: str) -> str | None:
    return {
        "to-good": "/good.jpg",
        "to-other-port": f"http://127.0.0.1:{server.other_port}/good.jpg",
        "to-other-host": f"http://elsewhere.test:{server.port}/photo/55",
        "to-closed-host": f"http://closed.test:{server.port}/good.jpg",
        "to-private": f"http://127.0.0.2:{server.port}/good.jpg",
        "to-metadata": f"http://169.254.169.254:{server.port}/latest/meta-data/",
        "to-inside": f"http://inside.test:{server.port}/good.jpg",
        "to-file": "file:///etc/passwd",
        "to-nothing": "",
        "loop": "/loop",
        "to-password": f"http://me:secret@127.0.0.1:{server.port}/good.jpg",
    }.get(path)


async def _stream(
    request: web.Request, chunks: list[bytes], pause: float = 0.0, length: int | None = None, abort: bool = False
) -> web.StreamResponse:
    response = web.StreamResponse()
    if length is not None:
        response.content_length = length
    await response.prepare(request)
    with suppress(ConnectionError):  # a client that has had enough is the point
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(pause)
    if abort and request.transport:
        request.transport.close()
    return response


async def _start(server: Server) -> web.AppRunner:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await _answer(server, request)

    app = web.Application()
    app.router.add_route("GET", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    for name in ("port", "other_port"):
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        setattr(server, name, runner.addresses[-1][1])
    return runner


@pytest.fixture
def server() -> Iterator[Server]:
    """A hostile server of this test alone."""
    server, loop = Server(0, 0), asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # clients that hang up are the point
    runner = loop.run_until_complete(_start(server))
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
