"""Hosts and sites of URLs in SQL, and which hosts a list of domains covers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from majolica.data.filter.database import table_sql
from majolica.data.filter.spelling import host_key_sql

# The part of a URL between the scheme and the path as it is written, without user and port. A regular
# expression would take four times as long.
HOST = (
    "rtrim(split_part(split_part(split_part(split_part(split_part("
    "url, '/', 3), '?', 1), '#', 1), '@', -1), ':', 1), '.')"
)

# Second-level names under which countries register, such as co.uk and com.au. This is a heuristic
# that does without the public suffix list.
SECOND = ("ac", "co", "com", "edu", "gob", "gov", "ne", "net", "or", "org")


def group_sql(by: Literal["host", "site"]) -> str:
    """SQL for what a cap counts, over the column `host`; the connection needs `spelling.add_keys`.

    How a host is written and a leading www. never count, and of an address in digits all four parts do.
    """
    bare = f"regexp_replace({host_key_sql('host')}, '^www[.]', '')"
    if by == "host":
        return bare
    parts = f"string_split({bare}, '.')"
    known = ", ".join(f"'{name}'" for name in SECOND)
    country = f"len({parts}[-1]) = 2 AND {parts}[-2] IN ({known})"
    digits = f"regexp_full_match({bare}, '[0-9.]+')"
    taken = f"CASE WHEN {digits} THEN 4 WHEN {country} THEN 3 ELSE 2 END"
    return f"array_to_string({parts}[-({taken}):], '.')"


def select_covered(hosts: str, table: Path) -> str:
    """SQL for the hosts of the table `hosts` that a list covers.

    The table at `table` lists domains by their keys; a host is covered if it is one of them, or lies below one,
    however it is written.
    """
    suffixes = "list_transform(range(1, len(parts) + 1), lambda i: array_to_string(parts[i:], '.'))"
    return (
        f"SELECT DISTINCT host FROM (SELECT host, unnest({suffixes}) AS domain FROM "
        f"(SELECT host, string_split({host_key_sql('host')}, '.') AS parts FROM {hosts} WHERE host IS NOT NULL)) "
        f"SEMI JOIN {table_sql([table])} USING (domain)"
    )
