"""Which rows ask for a URL that opted out, however it is written.

The hash of a row is that of its URL as written, and that of an entry of a list is of the entry's key. The hashes of
most rows can be compared as they are; the others get the hash of their key, in tables of their own, and are compared in
ranges of this hash.
"""

from __future__ import annotations

from typing import Any

from majolica.data.filter.database import SORTED_ROW_GROUP, table_sql
from majolica.data.filter.lists import OPTED_URLS
from majolica.data.filter.order import HIGH, LOW, digest_sql, range_sql
from majolica.data.filter.spelling import add_keys, plain_sql
from majolica.data.filter.work import Job, write_query

SPELLED, OPTED = "spelled", "opted"


def write_request_keys(job: Job, number: int) -> dict[str, Any]:
    """Write the hashes of the keys of a stretch's rows whose URLs may not be written as their keys are, in order."""
    digest = digest_sql("request_key(url)", job.config.sample.seed)
    query = (
        f"SELECT {HIGH}, {LOW}, place, uid FROM (SELECT {digest} AS digest, h AS place, uid FROM "
        f"{table_sql([job.path('scan', number)])} WHERE NOT {plain_sql('url')}) ORDER BY h, g"
    )
    return write_query(
        job, SPELLED, number, query, f"cannot compare the URLs of stretch {number}", SORTED_ROW_GROUP, add_keys
    )


def find_opt_outs(job: Job, bucket: int) -> dict[str, Any]:
    """Find the rows whose keys lie in a bucket and on the opt-out list, and write their uids and own hashes."""
    mine = range_sql("h", bucket, job.buckets)  # keys lie outside of the share as well
    listed = f"(SELECT h, g FROM {table_sql([job.path('lists', OPTED_URLS)])} WHERE {mine})"
    spelled = f"(SELECT * FROM {table_sql(job.tables(SPELLED))} WHERE {mine})"
    query = f"SELECT place AS h, uid FROM {spelled} SEMI JOIN {listed} USING (h, g) ORDER BY h"
    return write_query(job, OPTED, bucket, query, f"cannot use the opt-out lists in bucket {bucket}", SORTED_ROW_GROUP)


def select_opt_outs(job: Job, bucket: int, rows: str) -> str:
    """SQL for the uids of a bucket's rows that opted out. The table `rows` holds h, g and uid of the bucket's rows."""
    listed = f"(SELECT h, g FROM {table_sql([job.path('lists', OPTED_URLS)])} WHERE {job.mine(bucket)})"
    as_written = f"SELECT uid FROM {rows} SEMI JOIN {listed} USING (h, g)"
    others = job.tables(OPTED)
    return f"{as_written} UNION SELECT uid FROM {table_sql(others)} WHERE {job.mine(bucket)}" if others else as_written
