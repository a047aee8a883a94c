"""Similar pictures: those whose perceptual hashes differ in few bits.

Two 64-bit hashes that differ in at most d bits agree on at least b - d of b blocks of bits, by the
pigeonhole principle. So all such pairs are found among rows that agree on some choice of b - d
blocks (Manku, Jain and Das Sarma, "Detecting near-duplicates for web crawling", WWW 2007). Each
choice is a table that is sorted by these blocks and cut into ranges, and a task joins one range.

Which rows go is decided greedily. From the best picture (the largest, then the first by hash) to
the worst, a row goes when one that stays is within d bits of it. So rows that stay are more than d
bits apart, and each row that goes resembles one that stays. A transitive closure would drop whole
chains instead, whose ends do not resemble each other.
"""

from __future__ import annotations

from itertools import combinations
from math import comb
from pathlib import Path
from typing import Any

from majolica.data.filter.database import SORTED_ROW_GROUP, copy_to, open_database, table_sql
from majolica.data.filter.duplicates import KEYS, NEAR, lost_pictures_sql
from majolica.data.filter.order import range_sql
from majolica.data.filter.rules import find_reason
from majolica.data.filter.work import Job, run_once, write_query

BANDS, PAIRS = "bands", "pairs"
BITS = 64


def choose_block_tables(distance: int, rows: int) -> list[tuple[tuple[int, int], ...]]:
    """The choices of blocks as (first bit, bits), each of about log2(rows) bits or more.

    With fewer bits, too many rows would agree by chance; with more bits, there would be too many
    tables.
    """
    wanted = min(32, max(8, rows.bit_length() - 1))
    blocks = distance + 1
    while (blocks - distance) * (BITS // blocks) < wanted and comb(blocks + 1, distance) <= 250:
        blocks += 1
    edges = [BITS * i // blocks for i in range(blocks + 1)]
    cuts = [(edges[i], edges[i + 1] - edges[i]) for i in range(blocks)]
    return list(combinations(cuts, blocks - distance))


def key_sql(blocks: tuple[tuple[int, int], ...]) -> str:
    """SQL for the chosen bits of `phash`, side by side at the upper end of 64 bits.

    There, ranges of numbers cut them evenly.
    """
    parts, place = [], BITS
    for first, bits in blocks:
        place -= bits
        parts.append(f"(((phash >> {first}) & {(1 << bits) - 1}::UBIGINT) << {place})")
    return f"({' | '.join(parts)})"


def sort_by_blocks(job: Job, number: tuple[int, int], rows: int) -> dict[str, Any]:
    """Sort the rows of a bucket by the bits of a table; `number` is that of table and bucket."""
    table, bucket = number
    key = key_sql(choose_block_tables(job.config.dedup.distance, rows)[table])
    query = (
        f"SELECT {key} AS key, phash, pixels, h, g, uid FROM {table_sql([job.path(KEYS, bucket)])} "
        f"ANTI JOIN ({lost_pictures_sql(job, bucket)}) USING (uid) WHERE phash IS NOT NULL ORDER BY key"
    )
    fault = f"cannot sort the pictures of bucket {bucket}"
    return write_query(job, f"{BANDS}{table:03d}", bucket, query, fault, SORTED_ROW_GROUP)


def find_near_pairs(job: Job, number: tuple[int, int]) -> dict[str, Any]:
    """Find the pairs of a better and a worse row within the distance, in one range of one table."""
    table, bucket = number

    def task(beside: Path) -> dict[str, Any]:
        with open_database(job.config, job.work, f"cannot compare the pictures of bucket {bucket}") as connection:
            connection.execute(
                "CREATE TEMP TABLE rows AS SELECT *, (-coalesce(pixels, -1), h, g) AS rank FROM "
                f"{table_sql(job.tables(f'{BANDS}{table:03d}'))} WHERE {range_sql('key', bucket, job.buckets)}"
            )
            connection.execute(
                "COPY (SELECT a.uid AS better, b.uid AS uid, b.pixels, b.h, b.g FROM rows a JOIN rows b USING (key) "
                f"WHERE bit_count(xor(a.phash, b.phash)) <= {job.config.dedup.distance} AND a.rank < b.rank) "
                f"{copy_to(beside)}"
            )
        return {}

    return run_once(job, f"{PAIRS}{table:03d}", bucket, task)


def drop_near_pictures(job: Job, table_count: int) -> dict[str, Any]:
    """Decide over all pairs which rows go.

    Their ids are held in memory, which takes 100 bytes for each.
    """

    def task(beside: Path) -> dict[str, Any]:
        import pyarrow as pa

        found = [path for table in range(table_count) for path in job.tables(f"{PAIRS}{table:03d}")]
        gone: set[int] = set()
        with open_database(job.config, job.work, "cannot choose among near-duplicates") as connection:
            result = connection.execute(
                f"SELECT uid, better FROM {table_sql(found)} ORDER BY pixels DESC NULLS LAST, h, g, better"
            )
            while rows := result.fetchmany(100_000):
                for worse, better in rows:
                    # The better row of a pair comes first in this order, so its fate is known.
                    if better not in gone:
                        gone.add(worse)
            connection.register("gone", pa.table({"uid": pa.array(sorted(gone), pa.uint64())}))
            connection.execute(
                f"COPY (SELECT DISTINCT h, g, uid FROM {table_sql(found)} SEMI JOIN gone USING (uid) ORDER BY h, g) "
                f"{copy_to(beside, SORTED_ROW_GROUP)}"
            )
        return {"reasons": {str(find_reason(job.config, "picture_near")): len(gone)}}

    return run_once(job, NEAR, 0, task)
