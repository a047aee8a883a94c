"""Step 5: writes the rows that stay, in the order of the hash, as part-00000.parquet and so on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from majolica.data.filter.columns import CANONICAL
from majolica.data.filter.database import copy_to, open_database, table_sql
from majolica.data.filter.duplicates import BEST_URL, URLS
from majolica.data.filter.histogram import count_bins
from majolica.data.filter.rules import CHARS
from majolica.data.filter.settle import SETTLE
from majolica.data.filter.work import Job, run_once
from majolica.files import publish_file

STAGE, PARTS = "write", "parts"


@dataclass(frozen=True)
class Share:
    """What a bucket contributes: the first `rows` of the rows that it kept.

    Its files are numbered from `part` on.
    """

    bucket: int
    kept: int
    rows: int
    part: int


def plan_files(kept: Sequence[int], rows: Sequence[int], per_file: int) -> list[Share]:
    """Number the files over all buckets.

    A bucket without rows has no file, but there is always a first file.
    """
    out, part = [], 0
    for bucket, number in enumerate(rows):
        if number:
            out.append(Share(bucket, kept[bucket], number, part))
            part += -(-number // per_file)
    return out or [Share(0, kept[0], 0, 0)]


def part_name(number: int) -> str:
    return f"part-{number:05d}.parquet"


def write_bucket(job: Job, share: Share) -> dict[str, Any]:
    """Write the files of a bucket; the counts are the rows in each file, and histograms."""
    return run_once(job, STAGE, share.bucket, lambda _: _write_bucket(job, share))


def _write_bucket(job: Job, share: Share) -> dict[str, Any]:
    per_file, folder = job.config.work.rows_per_file, job.work / PARTS
    folder.mkdir(exist_ok=True)
    names: dict[str, int] = {}
    with open_database(job.config, job.work, f"cannot write bucket {share.bucket}") as connection:
        for first in range(0, max(share.rows, 1), per_file):
            path = folder / part_name(share.part + first // per_file)
            beside = path.with_name(f".{path.name}.tmp")
            rows = connection.execute(
                f"COPY ({_query(job, share, first, min(per_file, share.rows - first))}) {copy_to(beside)}"
            ).fetchone()
            publish_file(beside, path)
            names[path.name] = rows[0] if rows else 0
        written = f"(SELECT *, {CHARS} AS chars FROM {table_sql([folder / name for name in names])})"
        return {"files": names, "histograms": count_bins(connection, written)}


def _query(job: Job, share: Share, first: int, rows: int) -> str:
    # Where URLs may repeat, their order must depend on the rows alone.
    order = "h, g" if job.config.dedup.url else f"h, g, {BEST_URL}"
    scanned = f"{table_sql(job.tables('scan'))} WHERE {job.mine(share.bucket)}"
    tables = [path for path in (job.path(URLS, share.bucket), job.path(SETTLE, share.bucket)) if path.exists()]
    left = " ".join(f"ANTI JOIN {table_sql([path])} USING (uid)" for path in tables)
    hexed = "CASE WHEN phash IS NOT NULL THEN lpad(lower(to_hex(phash)), 16, '0') END AS phash"
    columns = ", ".join(hexed if column == "phash" else column for column in CANONICAL)
    # A limit over all rows would make DuckDB keep them in a heap, which is slower than sorting.
    some = f"LIMIT {rows} OFFSET {first}" if first or rows < share.kept else ""
    return f"SELECT {columns} FROM (SELECT * FROM (SELECT * FROM {scanned}) {left} ORDER BY {order} {some})"
