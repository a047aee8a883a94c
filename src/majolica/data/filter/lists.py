"""Turns block lists and opt-out lists, text or parquet, into small tables in the work folder."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from majolica.data.filter.columns import Column, text_sql
from majolica.data.filter.database import (
    SORTED_ROW_GROUP,
    copy_to,
    fetch_scalar,
    name_sql,
    open_database,
    place_name,
    placed_sql,
    quote_sql,
)
from majolica.data.filter.order import HIGH, LOW, digest_sql
from majolica.data.filter.spelling import add_keys, host_key_sql, strip_sql, url_key_sql
from majolica.data.filter.storage import attach, find_inputs
from majolica.data.filter.work import Job, run_once
from majolica.data.store.tables import open_table
from majolica.errors import UserError
from majolica.plurals import counted, plural

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BLOCKED, OPTED_DOMAINS, OPTED_URLS = range(3)
"""Numbers of the tables of the stage "lists".

The first two have a column domain, the last has h and g.
"""

log = logging.getLogger(__name__)
_NO_DOMAIN = re.compile(r"""[\s/:?#@,;|^"'<>(){}\[\]\\]""")
PARQUET = (".parquet", ".parq")


def make_lists(job: Job) -> bool:
    """Write the tables that the configuration asks for, and return whether any URL opted out."""
    domain = job.config.rules.domain
    blocked = [_check_domain(entry, "--rules.domain.blocked") for entry in domain.blocked]
    blocked += [_check_domain(line, path) for path in domain.blocked_files for line in _lines(path)]
    if blocked:
        run_once(job, "lists", BLOCKED, lambda beside: _write(job, _DOMAINS, blocked, [], beside))
    if not domain.opt_out_files:
        return False
    tables = [path for path in domain.opt_out_files if path.endswith(PARQUET)]
    texts = [path for path in domain.opt_out_files if path not in tables]
    lines = [line if "://" in line else _check_domain(line, path) for path in texts for line in _lines(path)]
    run_once(job, "lists", OPTED_DOMAINS, lambda beside: _write(job, _DOMAINS, lines, tables, beside))
    digest = digest_sql(f"({url_key_sql('entry')})", job.config.sample.seed)
    urls = f"SELECT {HIGH}, {LOW} FROM (SELECT {digest} AS digest FROM entries WHERE {_IS_URL}) ORDER BY h, g"
    counts = run_once(job, "lists", OPTED_URLS, lambda beside: _write(job, urls, lines, tables, beside))
    return bool(counts["listed"])


def identify_lists(config_files: Sequence[str]) -> list[list[str]]:
    """What identifies the content of each list, for the fingerprint.

    It is the path and a hash of the content of a text file, and the path and version of a table.
    """
    out = []
    for path in config_files:
        if path.endswith(PARQUET):
            out += [[file.path, file.version] for file in find_inputs([path])]
        else:
            with open_table(path) as file:
                out.append([path, hashlib.sha256(file.read()).hexdigest()])
    return out


_IS_URL = "contains(entry, '://')"
# The entries *.example.org, www.example.org and example.org. stand for example.org.
_DOMAINS = f"""
    SELECT DISTINCT domain FROM (
        SELECT regexp_replace({host_key_sql("host")}, '^www[.]+', '') AS domain
        FROM (SELECT regexp_replace(entry, '^([*]?[.]+)?', '') AS host FROM entries WHERE NOT {_IS_URL}))
    WHERE domain <> '' ORDER BY domain"""


def _write(job: Job, query: str, lines: Sequence[str], tables: Sequence[str], beside: Path) -> dict[str, Any]:
    import pyarrow as pa

    with open_database(job.config, job.work, "cannot use the block and opt-out lists") as connection:
        connection.register("lines", pa.table({"entry": pa.array(lines, pa.string())}))
        parts = ["SELECT entry FROM lines", *(part for path in tables for part in _columns(connection, path))]
        every = " UNION ALL ".join(parts)
        connection.execute(f"CREATE TEMP VIEW entries AS SELECT {strip_sql('entry')} AS entry FROM ({every})")
        add_keys(connection)
        if query == _DOMAINS:
            _warn_of_strangers(connection)
        return {"listed": fetch_scalar(connection, f"COPY ({query}) {copy_to(beside, SORTED_ROW_GROUP)}")}


def _warn_of_strangers(connection: DuckDBPyConnection) -> None:
    """Warn of entries that are neither URLs nor domains. They come from tables, because lines of text are checked."""
    strange = f"NOT {_IS_URL} AND regexp_matches(entry, {quote_sql(_NO_DOMAIN.pattern)})"
    ((number, example),) = connection.execute(f"SELECT count(*), min(entry) FROM entries WHERE {strange}").fetchall()
    if number:
        log.warning(
            "%s of the opt-out lists %s neither a URL with its scheme nor a domain, and will match nothing: %.80r",
            counted(number, "entry", "entries"),
            plural(number, "is", "are"),
            example,
        )


def _columns(connection: DuckDBPyConnection, path: str) -> list[str]:
    """SQL for each entry of the columns url and domain of a table."""
    out = []
    for file in find_inputs([path]):
        attach(connection, [file.path])
        wanted = [
            Column(place_name(place), kind)
            for place, (name, kind) in enumerate(file.columns)
            if name.lower() in ("url", "domain")
        ]
        if not wanted:
            present = ", ".join(column for column, _ in file.columns)
            raise UserError(f"{file.path} is not an opt-out list: it has no column url or domain, but {present}")
        for column in wanted:
            out.append(
                f"SELECT {text_sql(column)}::VARCHAR AS entry FROM {placed_sql(file.path, len(file.columns))} "
                f"WHERE {name_sql(column.name)} IS NOT NULL"
            )
    return out


def _check_domain(entry: str, where: str) -> str:
    """Return `entry` without the blanks around it. Raises UserError if it cannot be a domain, because it would match
    nothing without a word."""
    entry = entry.strip()
    if _NO_DOMAIN.search(entry):
        raise UserError(
            f"{where}: {entry[:80]!r} is no domain and would match nothing: give domains such as example.org, without"
            " scheme, port, path or anything behind them (a list of opt-outs may hold whole URLs too: https://...)"
        )
    return entry


def _lines(path: str) -> list[str]:
    """The lines of a text file, stripped, without empty ones and comments (#)."""
    with open_table(path) as file:
        data: bytes = file.read()
    try:
        lines = [line.strip() for line in data.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: give one URL or domain on each line") from error
    return [line for line in lines if line and not line.startswith("#")]
