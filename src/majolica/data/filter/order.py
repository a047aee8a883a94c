"""The documented hash: md5 of the seed and the URL.

It decides the order of rows, the sample, the budget and the caps.

Anyone can recompute it:

    order(url) = int.from_bytes(hashlib.md5(f"{seed}:{url}".encode()).digest(), "little")

Rows stand in ascending order of this number. `sample.share` keeps URLs below share * 2**128
(compared in the upper 64 bits), `sample.budget` keeps the first rows, a cap keeps the first rows of
each domain.
"""

from __future__ import annotations

import hashlib

HALF = 2**64


def hash_order(url: str, seed: int) -> int:
    """The place of a URL in the order, in [0, 2**128)."""
    return int.from_bytes(hashlib.md5(f"{seed}:{url}".encode(), usedforsecurity=False).digest(), "little")


def digest_sql(url: str, seed: int) -> str:
    """DuckDB's expression for `hash_order` as a 128-bit number."""
    return f"md5_number('{seed}:' || {url})"


HIGH = "(digest >> 64)::UBIGINT AS h"
LOW = f"(digest & {HALF - 1})::UBIGINT AS g"
"""The lower half of the hash.

Parquet has no 128-bit numbers, so that the hash is kept in halves; the order by h, g is that of the
whole.
"""


def share_limit(share: float) -> int:
    """The end of the share: rows whose upper half is below it are in the share."""
    return round(share * HALF)


def bucket_range(bucket: int, buckets: int, share: float = 1.0) -> tuple[int, int]:
    """The first and the last upper half of a bucket.

    The buckets are equal stretches of the share of the whole range.
    """
    end = max(share_limit(share), buckets)
    return bucket * end // buckets, (bucket + 1) * end // buckets - 1


def range_sql(column: str, bucket: int, buckets: int, share: float = 1.0) -> str:
    """SQL for the condition that `column` lies in a bucket.

    DuckDB skips row groups that lie outside, by their statistics.
    """
    low, high = bucket_range(bucket, buckets, share)
    return f"{column} BETWEEN {low}::UBIGINT AND {high}::UBIGINT"
