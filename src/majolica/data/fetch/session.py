"""The HTTP session of one event loop, the User-Agent that it sends, and what its errors mean."""

from __future__ import annotations

import socket
import ssl

import aiohttp

from majolica.config.fetch import FetchConfig
from majolica.data.fetch import status
from majolica.data.fetch.address import PrivateAddress, Resolver, guarded_socket
from majolica.data.fetch.status import Failure


def open_session(config: FetchConfig, resolver: Resolver) -> aiohttp.ClientSession:
    """A session that connects to addresses of `resolver` only, keeps no cookies and follows no redirect."""
    web = config.web
    connector = aiohttp.TCPConnector(
        limit=0,  # turns at hosts and the number of rows that are fetched at once are the limits
        resolver=resolver,
        ttl_dns_cache=300,
        keepalive_timeout=5,
        ssl=web.verify_tls,
        socket_factory=None if web.allow_private else guarded_socket,
    )
    return aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": user_agent(config), "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=web.connect),
        auto_decompress=False,
        trust_env=False,  # a proxy would connect to addresses that our guard does not see
        requote_redirect_url=True,
        middlewares=(),
    )


def user_agent(config: FetchConfig) -> str:
    """Return the User-Agent header."""
    contact = f"; +{config.polite.contact}" if config.polite.contact else ""
    return f"Mozilla/5.0 (compatible; {config.polite.user_agent}/1.0{contact})"


def classify_exception(error: Exception) -> Failure:
    """Return the Failure that an exception of the network stands for."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, PrivateAddress):
        return Failure(status.PRIVATE_ADDRESS, reason)
    if isinstance(cause, socket.gaierror):
        known = cause.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
        return Failure(status.NO_SUCH_HOST if known else status.DNS, reason)
    if isinstance(error, TimeoutError):
        return Failure(status.TIMEOUT, reason)
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError) or isinstance(cause, ssl.SSLError):
        return Failure(status.TLS, reason)
    if isinstance(error, aiohttp.InvalidURL):
        return Failure(status.BAD_URL, reason)
    if isinstance(error, aiohttp.ClientResponseError) or not isinstance(error, aiohttp.ClientError | OSError):
        return Failure(status.BAD_RESPONSE, reason)
    return Failure(status.CONNECTION, reason)


def raise_file_limit(wanted: int) -> None:
    """Let this process open `wanted` files if the system allows that many."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
