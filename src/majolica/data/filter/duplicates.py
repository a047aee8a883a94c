"""Steps 2 and 3: which of several equal rows stays.

Each task sees one range of a hash, so that its memory is bounded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from majolica.data.filter.columns import CANONICAL
from majolica.data.filter.database import SORTED_ROW_GROUP, copy_to, fetch_scalar, open_database, table_sql
from majolica.data.filter.lists import OPTED_URLS
from majolica.data.filter.opt_outs import select_opt_outs
from majolica.data.filter.order import range_sql
from majolica.data.filter.rules import find_reason
from majolica.data.filter.work import Job, run_once, write_query

URLS, KEYS, PICTURES, NEAR = "urls", "keys", "pictures", "near"
PIXELS = "width::BIGINT * height"

# Of rows with one URL, the one with the larger picture stays, then the one whose caption fits
# better, then the one whose content comes first in order, so that the choice depends on the rows
# alone.
BEST_URL = ", ".join(
    [f"{PIXELS} DESC NULLS LAST", "similarity DESC NULLS LAST", "text NULLS LAST"]
    + [f"{column} NULLS LAST" for column in CANONICAL if column not in ("url", "text", "similarity")]
)
BEST_PICTURE = "pixels DESC NULLS LAST, h, g"


def drop_repeated_urls(job: Job, bucket: int) -> dict[str, Any]:
    """Find the rows of a bucket that repeat a URL, or whose URL opted out.

    The table of the stage holds their uids.
    """
    return run_once(job, URLS, bucket, lambda beside: _drop_repeated_urls(job, bucket, beside))


def _drop_repeated_urls(job: Job, bucket: int, beside: Path) -> dict[str, Any]:
    scanned = f"{table_sql(job.tables('scan'))} WHERE {job.mine(bucket)}"
    reasons = {}
    with open_database(job.config, job.work, f"cannot look for repeated URLs in bucket {bucket}") as connection:
        connection.execute("CREATE TEMP TABLE gone (uid UBIGINT)")
        connection.execute(f"CREATE TEMP TABLE rows AS SELECT h, g, uid FROM {scanned}")
        if job.path("lists", OPTED_URLS).exists():
            connection.execute(f"INSERT INTO gone {select_opt_outs(job, bucket, 'rows')}")
            number = find_reason(job.config, "opt_out", "URL opted out")
            reasons[str(number)] = fetch_scalar(connection, "SELECT count(*) FROM gone")
        if job.config.dedup.url:
            connection.execute(
                "CREATE TEMP TABLE twice AS SELECT h, g FROM rows ANTI JOIN gone USING (uid) "
                "GROUP BY h, g HAVING count(*) > 1"
            )
            # The table `twice` is small, and only its rows are read in full.
            ranked = f"row_number() OVER (PARTITION BY h, g ORDER BY {BEST_URL}, uid) AS place"
            (repeated,) = connection.execute(
                f"INSERT INTO gone SELECT uid FROM (SELECT uid, {ranked} FROM (SELECT * FROM {scanned}) "
                "SEMI JOIN twice USING (h, g)) WHERE place > 1"
            ).fetchall()[0]
            reasons[str(find_reason(job.config, "url_repeated"))] = repeated
        kept = fetch_scalar(connection, "SELECT (SELECT count(*) FROM rows) - (SELECT count(*) FROM gone)")
        connection.execute(f"COPY gone {copy_to(beside)}")
    return {"kept": kept, "reasons": reasons}


def write_keys(job: Job, bucket: int) -> dict[str, Any]:
    """Write the few columns on which the next steps work, in the order of the perceptual hash."""

    scanned = f"{table_sql(job.tables('scan'))} WHERE {job.mine(bucket)}"
    query = (
        f"SELECT h, g, uid, {PIXELS} AS pixels, phash, site FROM (SELECT * FROM {scanned}) "
        f"ANTI JOIN {table_sql([job.path(URLS, bucket)])} USING (uid) ORDER BY phash, h, g"
    )
    return write_query(job, KEYS, bucket, query, f"cannot read bucket {bucket}", SORTED_ROW_GROUP)


def drop_repeated_pictures(job: Job, bucket: int) -> dict[str, Any]:
    """Find the rows that repeat a perceptual hash, within one range of hashes.

    The table of the stage holds h, g and uid of those that go.
    """

    def task(beside: Path) -> dict[str, Any]:
        place = f"row_number() OVER (PARTITION BY phash ORDER BY {BEST_PICTURE}) AS place"
        keyed = f"{table_sql(job.tables(KEYS))} WHERE {range_sql('phash', bucket, job.buckets)}"
        with open_database(job.config, job.work, f"cannot look for repeated pictures in bucket {bucket}") as connection:
            rows = connection.execute(
                f"COPY (SELECT h, g, uid FROM (SELECT h, g, uid, {place} FROM {keyed}) WHERE place > 1 ORDER BY h, g) "
                f"{copy_to(beside, SORTED_ROW_GROUP)}"
            ).fetchone()
        return {"reasons": {str(find_reason(job.config, "picture_repeated")): rows[0] if rows else 0}}

    return run_once(job, PICTURES, bucket, task)


def lost_pictures_sql(job: Job, bucket: int) -> str:
    """SQL for the uids of rows of a bucket of URLs that went as repeated or similar pictures."""
    tables = [*job.tables(PICTURES), *job.tables(NEAR)]
    if not tables:
        return "SELECT NULL::UBIGINT AS uid WHERE false"
    return f"SELECT uid FROM {table_sql(tables)} WHERE {job.mine(bucket)}"
