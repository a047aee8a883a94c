"""A server that does everything a server should not, on loopback."""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import web

from picture_files import encoded
from web_files import BOMB, FILES, HEADERS, photo


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
    if host in ("packed.test", "unknown.test"):  # with an encoding that nobody asked for
        body = gzip.compress(b"User-agent: *\nDisallow: /\n")
        return web.Response(body=body, headers={"Content-Encoding": "gzip" if host == "packed.test" else "zz"})
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


async def start(server: Server) -> web.AppRunner:
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
