"""Near-duplicates: pictures whose perceptual hashes differ in few bits.

Two 64-bit hashes that differ in at most d bits agree on at least b - d of b blocks of bits (the pigeonhole
principle), so all such pairs are found among rows that agree on some choice of b - d blocks: Manku, Jain and
Das Sarma, Detecting near-duplicates for web crawling, WWW 2007. Each choice is a table sorted by these blocks and
divided into ranges; a task joins one range.

Which rows are left out is decided greedily, from the best picture (the largest, then the first by hash) to the worst: a
row is left out if a row that stays is within d bits. So rows that stay are more than d bits apart, and each row that is
left out resembles one that stays. Unlike a transitive closure, this makes no chains.
"""

from __future__ import annotations

from itertools import combinations
from math import comb
from pathlib import Path
from typing import Any

from majolica.data.filter.database import copy_to, database, files
from majolica.data.filter.duplicates import KEYS, NEAR, lost_pictures
from majolica.data.filter.order import within
from majolica.data.filter.rules import number_of
from majolica.data.filter.work import Job, once

BANDS, PAIRS = "bands", "pairs"
BITS = 64


def tables(distance: int, rows: int) -> list[tuple[tuple[int, int], ...]]:
    """Return choices of blocks, as (first bit, bits), that suffice for `distance`, each of about log2(rows) bits or
    more.

    With fewer bits, too many rows would agree by chance; with more bits, there would be too many tables.
    """
    wanted = min(32, max(8, rows.bit_length() - 1))
    blocks = distance + 1
    while (blocks - distance) * (BITS // blocks) < wanted and comb(blocks + 1, distance) <= 250:
        blocks += 1
    edges = [BITS * i // blocks for i in range(blocks + 1)]
    cuts = [(edges[i], edges[i + 1] - edges[i]) for i in range(blocks)]
    return list(combinations(cuts, blocks - distance))


def key_sql(blocks: tuple[tuple[int, int], ...]) -> str:
    """Return SQL for the chosen bits of `phash`, put together at the upper end of 64 bits, so that ranges divide them
    evenly."""
    parts, place = [], BITS
    for first, bits in blocks:
        place -= bits
        parts.append(f"(((phash >> {first}) & {(1 << bits) - 1}::UBIGINT) << {place})")
    return f"({' | '.join(parts)})"


def bands(job: Job, number: tuple[int, int], rows: int) -> dict[str, Any]:
    """Sort the rows of a bucket by the bits of a table. `number` is the number of the table and that of the bucket."""
    table, bucket = number

    def task(beside: Path) -> dict[str, Any]:
        key = key_sql(tables(job.config.dedup.distance, rows)[table])
        with database(job.config, job.work, f"cannot sort the pictures of bucket {bucket}") as connection:
            connection.execute(
                f"COPY (SELECT {key} AS key, phash, pixels, h, g, uid FROM {files([job.path(KEYS, bucket)])} "
                f"ANTI JOIN ({lost_pictures(job, bucket)}) USING (uid) WHERE phash IS NOT NULL ORDER BY key) "
                f"{copy_to(beside, row_group=20_480)}"
            )
        return {}

    return once(job, f"{BANDS}{table:03d}", bucket, task)


def pairs(job: Job, number: tuple[int, int]) -> dict[str, Any]:
    """Join the rows of one range of one table to pairs of a better and a worse row within the distance."""
    table, bucket = number

    def task(beside: Path) -> dict[str, Any]:
        with database(job.config, job.work, f"cannot compare the pictures of bucket {bucket}") as connection:
            connection.execute(
                "CREATE TEMP TABLE rows AS SELECT *, (-coalesce(pixels, -1), h, g) AS rank FROM "
                f"{files(job.tables(f'{BANDS}{table:03d}'))} WHERE {within('key', bucket, job.buckets)}"
            )
            connection.execute(
                "COPY (SELECT a.uid AS better, b.uid AS uid, b.pixels, b.h, b.g FROM rows a JOIN rows b USING (key) "
                f"WHERE bit_count(xor(a.phash, b.phash)) <= {job.config.dedup.distance} AND a.rank < b.rank) "
                f"{copy_to(beside)}"
            )
        return {}

    return once(job, f"{PAIRS}{table:03d}", bucket, task)


def near(job: Job, table_count: int) -> dict[str, Any]:
    """Decide over all pairs which rows are left out. The ids of these are in memory and take 100 bytes each."""

    def task(beside: Path) -> dict[str, Any]:
        import pyarrow as pa

        found = [path for table in range(table_count) for path in job.tables(f"{PAIRS}{table:03d}")]
        gone: set[int] = set()
        with database(job.config, job.work, "cannot choose among near-duplicates") as connection:
            result = connection.execute(
                f"SELECT uid, better FROM {files(found)} ORDER BY pixels DESC NULLS LAST, h, g, better"
            )
            while rows := result.fetchmany(100_000):
                for worse, better in rows:
                    if better not in gone:  # in this order, the better row of a pair is already decided
                        gone.add(worse)
            connection.register("gone", pa.table({"uid": pa.array(sorted(gone), pa.uint64())}))
            connection.execute(
                f"COPY (SELECT DISTINCT h, g, uid FROM {files(found)} SEMI JOIN gone USING (uid) ORDER BY h, g) "
                f"{copy_to(beside, row_group=20_480)}"
            )
        return {"reasons": {str(number_of(job.config, "picture_near")): len(gone)}}

    return once(job, NEAR, 0, task)
