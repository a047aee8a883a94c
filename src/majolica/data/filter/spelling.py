"""One spelling for all URLs that ask for the same thing, and for hosts, in SQL.

Python computes it, which takes a hundred times as long as all else that is done with a row. So this is done only for
URLs and hosts that a regular expression does not show to be in this spelling already.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from majolica.data.filter.database import quote_sql
from majolica.errors import UserError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_PLAIN_HOST = "[A-Za-z0-9._-]*"
_BLANKS = r"[\s\p{Z}]+"


def add_keys(connection: DuckDBPyConnection) -> None:
    """Give SQL the functions that `url_key_sql` and `host_key_sql` call. Raises UserError if yarl is not installed."""
    try:
        from majolica.data.urls import host_key, request_key
    except ImportError as error:
        raise UserError("comparing URLs with lists needs yarl: pip install 'majolica[data]'") from error
    for function in (request_key, host_key):
        connection.create_function(function.__name__, function, ["VARCHAR"], "VARCHAR")


def plain_sql(url: str) -> str:
    """SQL for whether a URL is certainly its own key."""
    return f"regexp_full_match({url}, {quote_sql(plain_urls())})"


def url_key_sql(url: str) -> str:
    """SQL for the key of a URL: URLs that ask for the same thing have one key."""
    return f"CASE WHEN {plain_sql(url)} THEN {url} ELSE request_key({url}) END"


def host_key_sql(host: str) -> str:
    """SQL for the key of a host: small letters, IDNA, and no dot behind it."""
    plain = f"regexp_full_match({host}, {quote_sql(_PLAIN_HOST)})"
    return f"CASE WHEN {plain} THEN rtrim(lower({host}), '.') ELSE host_key({host}) END"


def strip_sql(text: str) -> str:
    """SQL for a text without the blanks around it, those of Unicode included."""
    return f"regexp_replace({text}, {quote_sql(f'^{_BLANKS}|{_BLANKS}$')}, '', 'g')"


@cache
def plain_urls() -> str:
    """A regular expression for URLs that are their own keys.

    They have no port, no fragment and no segment that begins with a dot. Their signs and percent codes are those that
    the key leaves as they are, which differs between paths and queries.
    """
    (signs, codes), (query_signs, query_codes) = _kept("http://h/a{}a", "./?#%"), _kept("http://h/a?a{}a", "#%")
    segment = f"(?:[{signs}]|{codes})(?:[{signs}.]|{codes})*"
    query = f"(?:[{query_signs}]|{query_codes})+"
    return f"https?://[a-z0-9_-]+(?:[.][a-z0-9_-]+)*(?:/(?:{segment})?)+(?:[?]{query})?"


def _kept(form: str, never: str) -> tuple[str, str]:
    """Regular expressions for the signs, without those of `never`, and the percent codes that stay as they are where
    `form` has {}."""
    from majolica.data.urls import request_key

    def stays(text: str) -> bool:
        return request_key(form.format(text)) == form.format(text)

    signs = [rf"\x{code:02x}" for code in range(33, 127) if chr(code) not in never and stays(chr(code))]
    digits = "0123456789ABCDEF"
    lows = {high: "".join(low for low in digits if stays(f"%{high}{low}")) for high in digits}
    codes = "|".join(f"{high}[{low}]" for high, low in lows.items() if low)
    return "".join(signs), f"%(?:{codes})"
