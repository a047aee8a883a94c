"""The documented hash: the md5 of seed and URL decides the order of rows, the sample, the budget and the cap.

Anybody can compute it:

    order(url) = int.from_bytes(hashlib.md5(f"{seed}:{url}".encode()).digest(), "little")

Rows stand in ascending order of this number. `sample.share` keeps URLs below share * 2**128 (compared in the upper
64 bits), `sample.budget` keeps the first rows, a cap keeps the first rows of each domain.
"""

from __future__ import annotations

import hashlib

HALF = 2**64


def order(url: str, seed: int) -> int:
    """Return the place of a URL in the order, in [0, 2**128)."""
    return int.from_bytes(hashlib.md5(f"{seed}:{url}".encode(), usedforsecurity=False).digest(), "little")


def digest_sql(url: str, seed: int) -> str:
    """Return the expression of DuckDB for `order` as a 128-bit number."""
    return f"md5_number('{seed}:' || {url})"


HIGH = "(digest >> 64)::UBIGINT AS h"
LOW = f"(digest & {HALF - 1})::UBIGINT AS g"
"""Parquet has no 128-bit numbers, so they are kept as two halves; sorting by h, then g, sorts by the whole."""


def share_limit(share: float) -> int:
    """Return the number below which upper halves are in the share."""
    return round(share * HALF)


def bucket_range(bucket: int, buckets: int, share: float = 1.0) -> tuple[int, int]:
    """Return the first and the last upper half of a bucket. Buckets are equal parts of that share of the whole
    range."""
    end = max(share_limit(share), buckets)
    return bucket * end // buckets, (bucket + 1) * end // buckets - 1


def within(column: str, bucket: int, buckets: int, share: float = 1.0) -> str:
    """Return the condition that `column` lies in a bucket. Row groups outside of it are skipped by their statistics."""
    low, high = bucket_range(bucket, buckets, share)
    return f"{column} BETWEEN {low}::UBIGINT AND {high}::UBIGINT"
