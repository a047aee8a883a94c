"""SQL for the hosts and sites of URLs, and for which hosts a list of domains covers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from majolica.data.filter.database import files

# The host is what stands between scheme and path, without user and port, in small letters. A regular expression would
# take four times as long.
HOST = (
    "rtrim(split_part(split_part(split_part(split_part(split_part("
    "lower(url), '/', 3), '?', 1), '#', 1), '@', -1), ':', 1), '.')"
)

# Second-level names under which countries register: co.uk, com.au. A heuristic, not the public suffix list.
SECOND = ("ac", "co", "com", "edu", "gob", "gov", "ne", "net", "or", "org")


def group(by: Literal["host", "site"]) -> str:
    """Return SQL, over `host`, for what a cap counts. www. never counts; of addresses in digits all four parts
    count."""
    bare = "regexp_replace(host, '^www[.]', '')"
    if by == "host":
        return bare
    parts = f"string_split({bare}, '.')"
    known = ", ".join(f"'{name}'" for name in SECOND)
    country = f"len({parts}[-1]) = 2 AND {parts}[-2] IN ({known})"
    digits = f"regexp_full_match({bare}, '[0-9.]+')"
    taken = f"CASE WHEN {digits} THEN 4 WHEN {country} THEN 3 ELSE 2 END"
    return f"array_to_string({parts}[-({taken}):], '.')"


def covered(hosts: str, table: Path) -> str:
    """Return a query for those `host`s of the table `hosts` that are, or are below, a domain in the list at `table`."""
    suffixes = "list_transform(range(1, len(parts) + 1), lambda i: array_to_string(parts[i:], '.'))"
    return (
        f"SELECT DISTINCT host FROM (SELECT host, unnest({suffixes}) AS domain FROM "
        f"(SELECT host, string_split(host, '.') AS parts FROM {hosts} WHERE host IS NOT NULL)) "
        f"SEMI JOIN {files([table])} USING (domain)"
    )
