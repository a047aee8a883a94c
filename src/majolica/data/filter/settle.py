"""Step 4: caps on domains, and the rows that each bucket contributes, so that the budget is met."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from majolica.data.filter.database import copy_to, fetch_scalar, open_database, table_sql
from majolica.data.filter.duplicates import KEYS, lost_pictures_sql
from majolica.data.filter.rules import find_reason
from majolica.data.filter.work import Job, run_once, write_query

SITES, QUOTAS, SETTLE = "sites", "quotas", "settle"


def count_sites(job: Job, bucket: int) -> dict[str, Any]:
    """Count the rows of each site in a bucket."""
    query = (
        f"SELECT site, {bucket} AS bucket, count(*) AS rows FROM {_select_left(job, bucket)} "
        "WHERE site <> '' GROUP BY site ORDER BY site"
    )
    return write_query(job, SITES, bucket, query, f"cannot count the domains of bucket {bucket}")


def count_earlier_excess(job: Job) -> dict[str, Any]:
    """Find how many rows of each site above the cap stand in earlier buckets."""
    counted = table_sql(job.tables(SITES))
    above = f"SELECT site FROM {counted} GROUP BY site HAVING sum(rows) > {job.config.rules.domain.cap}"
    before = "sum(rows) OVER (PARTITION BY site ORDER BY bucket) - rows"
    query = (
        f"SELECT site, bucket, ({before})::BIGINT AS before FROM {counted} "
        f"SEMI JOIN ({above}) USING (site) ORDER BY bucket, site"
    )
    return write_query(job, QUOTAS, 0, query, "cannot add up the domains")


def settle_bucket(job: Job, bucket: int) -> dict[str, Any]:
    """List the rows of a bucket that go since `drop_repeated_urls`, and count those that stay."""

    def task(beside: Path) -> dict[str, Any]:
        cap, reasons = job.config.rules.domain.cap, {}
        with open_database(job.config, job.work, f"cannot settle bucket {bucket}") as connection:
            connection.execute(f"CREATE TEMP TABLE gone AS {lost_pictures_sql(job, bucket)}")
            if cap:
                quota = f"(SELECT site, before FROM {table_sql([job.path(QUOTAS, 0)])} WHERE bucket = {bucket})"
                place = "before + row_number() OVER (PARTITION BY site ORDER BY h, g)"
                (beyond,) = connection.execute(
                    f"INSERT INTO gone SELECT uid FROM (SELECT uid, {place} AS place FROM {_select_left(job, bucket)} "
                    f"JOIN {quota} USING (site)) WHERE place > {cap}"
                ).fetchall()[0]
                reasons[str(find_reason(job.config, "domain_cap"))] = beyond
            rows = fetch_scalar(connection, f"SELECT count(*) FROM {table_sql([job.path(KEYS, bucket)])}")
            kept = rows - fetch_scalar(connection, "SELECT count(*) FROM gone")
            connection.execute(f"COPY gone {copy_to(beside)}")
        return {"kept": kept, "reasons": reasons}

    return run_once(job, SETTLE, bucket, task)


def _select_left(job: Job, bucket: int) -> str:
    return f"{table_sql([job.path(KEYS, bucket)])} ANTI JOIN ({lost_pictures_sql(job, bucket)}) USING (uid)"


def cap_by_budget(kept: Sequence[int], budget: int) -> list[int]:
    """The rows that each bucket contributes, the first in the order of the hash.

    They sum to the budget; a budget of 0 takes all.
    """
    left = budget or sum(kept)
    out = []
    for rows in kept:
        out.append(min(rows, left))
        left -= out[-1]
    return out
