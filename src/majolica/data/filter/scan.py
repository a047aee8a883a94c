"""Step 1: reads a stretch of the input once, and gives a reason to each row that goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from majolica.data.filter import hosts
from majolica.data.filter.columns import CANONICAL, select_sql
from majolica.data.filter.database import copy_to, fetch_scalar, open_database, placed_sql
from majolica.data.filter.histogram import count_bins
from majolica.data.filter.lists import BLOCKED, OPTED_DOMAINS
from majolica.data.filter.mend import MendedPiece
from majolica.data.filter.order import HIGH, LOW, digest_sql, share_limit
from majolica.data.filter.plan import Piece, RowStretch
from majolica.data.filter.rules import CHARS, find_reason, list_reasons, reason_sql
from majolica.data.filter.spelling import add_keys
from majolica.data.filter.storage import attach
from majolica.data.filter.work import Job, run_once

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

STAGE = "scan"
PASSING = "uncompressed, DICTIONARY_SIZE_LIMIT 1000"
"""How the rows are written that the next steps read twice, and that are then thrown away.

This takes a quarter less time to write than snappy with dictionaries, and 1.6 times the disk.
"""
TEXTS = [column for column, kind in CANONICAL.items() if kind == "VARCHAR"]
NUMBERS = [column for column, kind in CANONICAL.items() if kind != "VARCHAR"]


def scan_stretch(job: Job, stretch: RowStretch) -> dict[str, Any]:
    """The counts of a stretch: rows, reasons, unusable values, histograms, and rows written."""
    return run_once(job, STAGE, stretch.number, lambda beside: _scan(job, stretch, beside))


def _scan(job: Job, stretch: RowStretch, beside: Path) -> dict[str, Any]:
    paths = dict.fromkeys(piece.path for piece in stretch.pieces)
    what = f"cannot filter {next(iter(paths))}" + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
    with open_database(job.config, job.work, what) as connection:
        attach(connection, paths)
        if _needs_host(job):
            add_keys(connection)
        mended = _tag(connection, job, stretch)
        counts = _counts(connection, job, mended)
        _lists(connection, job, counts)
        group = hosts.group_sql(job.config.rules.domain.cap_by) if job.config.rules.domain.cap else "NULL::VARCHAR"
        columns = ", ".join([*CANONICAL, f"{group} AS site", "h", "g"])
        row = f"{stretch.number << 32}::UBIGINT + rowid AS uid"
        rows = connection.execute(
            f"COPY (SELECT {columns}, {row} FROM kept WHERE reason IS NULL ORDER BY h, g) "
            f"{copy_to(beside, _row_group(job, stretch), PASSING)}"
        ).fetchone()
        return {**counts, "kept": rows[0] if rows else 0}


def _tag(connection: DuckDBPyConnection, job: Job, stretch: RowStretch) -> list[MendedPiece]:
    """Make the table `kept` of all rows with their reasons; rows with one lose their texts."""
    import duckdb

    try:
        connection.execute(f"CREATE TEMP TABLE kept AS {_query(job, [_piece(piece) for piece in stretch.pieces])}")
        return []
    except duckdb.InvalidInputException as error:
        if "UTF8" not in str(error) and "Invalid JSON" not in str(error):
            raise
    mended = [MendedPiece(piece) for piece in stretch.pieces]
    for i, part in enumerate(mended):
        connection.register(f"mended_{i}", part.reader())
    queries = [f"SELECT {', '.join(select_sql(part.piece.placed))} FROM mended_{i}" for i, part in enumerate(mended)]
    connection.execute(f"CREATE TEMP TABLE kept AS {_query(job, queries)}")
    return mended


def _piece(piece: Piece) -> str:
    return (  # DuckDB has the column file_row_number of every file
        f"SELECT {', '.join(select_sql(piece.placed))} FROM {placed_sql(piece.path, len(piece.names))} "
        f"WHERE file_row_number BETWEEN {piece.start} AND {piece.stop - 1}"
    )


def _query(job: Job, pieces: list[str]) -> str:
    config = job.config
    limit = share_limit(config.sample.share)
    outside = f"WHEN h >= {limit}::UBIGINT THEN {find_reason(config, 'share')}" if config.sample.share < 1 else ""
    host = hosts.HOST if _needs_host(job) else "NULL::VARCHAR"
    texts = ", ".join(f"CASE WHEN reason IS NULL THEN {column} END AS {column}" for column in TEXTS)
    digest = f"CASE WHEN rule IS NULL THEN {digest_sql('url', config.sample.seed)} END AS digest"
    return f"""
        SELECT {texts}, {", ".join(NUMBERS)}, bad, chars, h, g, reason,
               CASE WHEN reason IS NULL THEN {host} END AS host
        FROM (SELECT *, (CASE WHEN rule IS NOT NULL THEN rule {outside} END)::UTINYINT AS reason
        FROM (SELECT * EXCLUDE (digest), {HIGH}, {LOW}
        FROM (SELECT *, {digest}
        FROM (SELECT *, {reason_sql(config)} AS rule
        FROM (SELECT *, {CHARS} AS chars FROM ({" UNION ALL ".join(pieces)}))))))"""


def _needs_host(job: Job) -> bool:
    """Whether rows are told apart by their hosts: by lists of domains, or by a cap."""
    listed = job.path("lists", BLOCKED).exists() or job.path("lists", OPTED_DOMAINS).exists()
    return listed or bool(job.config.rules.domain.cap)


def _counts(connection: DuckDBPyConnection, job: Job, mended: list[MendedPiece]) -> dict[str, Any]:
    by_reason = [0] * len(list_reasons(job.config))
    for reason, number in connection.execute("SELECT reason, count(*) FROM kept GROUP BY reason").fetchall():
        if reason is not None:
            by_reason[reason] = number
    bad = dict.fromkeys(CANONICAL, 0)
    for bits, number in connection.execute("SELECT bad, count(*) FROM kept WHERE bad > 0 GROUP BY bad").fetchall():
        for bit, column in enumerate(CANONICAL):
            bad[column] += number if bits >> bit & 1 else 0
    for part in mended:
        bad = {column: number + part.bad[column] for column, number in bad.items()}
    return {
        "rows": fetch_scalar(connection, "SELECT count(*) FROM kept"),
        "reasons": by_reason,
        "bad": bad,
        "histograms": count_bins(connection, "kept"),
    }


def _lists(connection: DuckDBPyConnection, job: Job, counts: dict[str, Any]) -> None:
    """Give a reason to the rows of domains that are listed."""
    lists = ((BLOCKED, "blocked", ""), (OPTED_DOMAINS, "opt_out", "domain opted out"))
    given = [
        (job.path("lists", number), rule, why) for number, rule, why in lists if job.path("lists", number).exists()
    ]
    for table, rule, why in given:
        reason = find_reason(job.config, rule, why)
        covered = hosts.select_covered("(SELECT DISTINCT host FROM kept WHERE reason IS NULL)", table)
        update = f"UPDATE kept SET reason = {reason} WHERE reason IS NULL AND host IN ({covered})"
        counts["reasons"][reason] += connection.execute(update).fetchall()[0][0]


def _row_group(job: Job, stretch: RowStretch) -> int:
    """Rows of a row group: so few that a bucket reads little more than its own rows.

    They stay within what DuckDB writes well.
    """
    return max(2048, min(122_880, stretch.rows // (4 * job.buckets) // 2048 * 2048))
