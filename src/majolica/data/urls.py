"""What a URL asks for, however it is written: what asks for URLs and what compares them share these functions."""

from __future__ import annotations

from contextlib import suppress

from yarl import URL


def parse_url(text: str) -> URL:
    """Return the URL that is asked for where a row, a redirect or a list says `text`. Raises ValueError if it is
    none."""
    try:
        return URL(text.strip())
    except (TypeError, IndexError) as error:  # yarl raises IndexError where brackets stand in the wrong place
        raise ValueError("is no URL") from error


def host_of(url: URL) -> str:
    """Return the host of a URL in small letters and IDNA, without a dot behind it; "" if it has none."""
    return (url.raw_host or "").lower().rstrip(".")


def request_key(text: str) -> str:
    """Return one text for all URLs that ask one server for the same thing.

    They may differ in the letter case and the encoding of the host, a dot behind it, the default port, a user name, the
    fragment, percent codes, and dots in the path. What cannot be asked for over HTTP stays as it is, without the blanks
    around it.
    """
    try:
        url = parse_url(text)
        host = host_of(url)
        port = "" if url.is_default_port() else f":{url.port}"
    except ValueError:
        return text.strip()
    if url.scheme not in ("http", "https") or not host:
        return text.strip()
    return f"{url.scheme}://{f'[{host}]' if ':' in host else host}{port}{url.raw_path_qs}"


def host_key(host: str) -> str:
    """Return one text for all ways to write a host: in small letters, IDNA, and without a dot behind it.

    What cannot be a host stays as it is, in small letters.
    """
    name = host.strip()
    with suppress(ValueError):
        name = URL.build(scheme="http", host=name).raw_host or ""
    return name.lower().rstrip(".")
