"""Which URLs may be asked for at all. Each URL and each redirect is checked before anything is sent."""

from __future__ import annotations

import re

from yarl import URL

from majolica.config.fetch import WebConfig
from majolica.data.fetch import status
from majolica.data.fetch.status import Failure
from majolica.data.urls import parse_url

LONGEST = 8000
"""The most characters of a URL; servers refuse longer ones (RFC 9110 asks for at least 8,000 octets)."""

# Forms like 2130706433, 127.1 or 0x7f.0.0.1, which only resolvers of C libraries take for addresses.
_NUMBERS = re.compile(r"(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+))*\.?", re.IGNORECASE)
_DOTTED = re.compile(r"(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}")


def first_url(text: str | None, web: WebConfig) -> URL:
    """Return the URL of a row. Raises Failure if it may not be asked for."""
    if not text or not text.strip():
        raise Failure(status.BAD_URL, "empty")
    return _check(_parse(text.strip()), web)


def next_url(here: URL, location: str, web: WebConfig) -> URL:
    """Return the URL that a redirect leads to. Raises Failure if it may not be asked for."""
    return _check(_join(here, _parse(location.strip())), web)


def _parse(text: str) -> URL:
    scheme = text.partition(":")[0].lower()
    if scheme.isalpha() and ":" in text and scheme not in ("http", "https") and not text.startswith("/"):
        raise Failure(status.SCHEME, f"{scheme[:20]}: is not asked, only http and https")
    if len(text) > LONGEST:
        raise Failure(status.BAD_URL, f"longer than {LONGEST} characters")
    if not text.isprintable():
        raise Failure(status.BAD_URL, "holds control characters")
    try:
        return parse_url(text)
    except ValueError as error:  # a port that is no number, a host that is no name
        raise Failure(status.BAD_URL, _line(error)) from None


def _join(here: URL, there: URL) -> URL:
    try:
        return here.join(there)
    except (ValueError, TypeError) as error:
        raise Failure(status.BAD_URL, _line(error)) from None


def _check(url: URL, web: WebConfig) -> URL:
    if url.scheme not in ("http", "https"):
        raise Failure(status.SCHEME, f"{url.scheme or 'no scheme'}: only http and https are asked")
    if not url.host:
        raise Failure(status.BAD_URL, "names no host")
    if _NUMBERS.fullmatch(url.host) and not _DOTTED.fullmatch(url.host):
        raise Failure(status.BAD_URL, "its host is an address in disguise")
    if url.user is not None or url.password is not None:
        raise Failure(status.CREDENTIALS, "holds a user name or password")
    if web.ports and url.port not in web.ports:
        raise Failure(status.PORT, f"port {url.port} is not asked")
    return url.with_fragment(None)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
