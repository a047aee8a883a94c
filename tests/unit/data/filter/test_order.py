"""The documented hash can be recomputed by anyone, and DuckDB agrees."""

from __future__ import annotations

import hashlib
import itertools

import pytest

from majolica.config.filter import FilterConfig, SampleConfig
from majolica.data.filter.database import check_hash, open_database, quote_sql
from majolica.data.filter.order import HALF, HIGH, LOW, bucket_range, digest_sql, hash_order, share_limit

URLS = ["u", "https://example.org/a.jpg", "http://h/é ü/猫?x='1'", "x" * 3000, "https://h/\x00nul"]


def test_pinned() -> None:
    # Changing these changes which rows every seed selects.
    assert hash_order("https://example.org/", 0) == 245043659592215689007539409638131861508
    assert hash_order("https://example.org/", 1) == 212942789078612931538045613800223874289
    digest = hashlib.md5(b"7:https://example.org/").digest()
    assert hash_order("https://example.org/", 7) == int.from_bytes(digest, "little")


@pytest.mark.parametrize("seed", [0, 7, -3])
def test_duckdb_agrees(seed: int, tmp_path: object) -> None:
    import duckdb

    check_hash()
    for url in URLS:
        query = f"SELECT {HIGH}, {LOW} FROM (SELECT {digest_sql('url', seed)} AS digest FROM (SELECT ? AS url))"
        found = duckdb.execute(query, [url]).fetchone()
        assert found == divmod(hash_order(url, seed), HALF)


@pytest.mark.parametrize("buckets", [1, 2, 3, 7, 64, 1000])
def test_buckets_cover_every_hash_once(buckets: int) -> None:
    ranges = [bucket_range(bucket, buckets) for bucket in range(buckets)]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == HALF - 1
    for (_, last), (first, _) in itertools.pairwise(ranges):
        assert first == last + 1


def test_a_share_is_a_part_of_the_whole_range() -> None:
    assert share_limit(0.5) == HALF // 2
    assert share_limit(0.0) == 0
    assert share_limit(1.0) == HALF


def test_quoting_and_one_line_errors(tmp_path: object) -> None:
    from pathlib import Path

    config = FilterConfig(sample=SampleConfig())
    with open_database(config, Path(str(tmp_path)), "cannot") as connection:
        assert connection.execute(f"SELECT {quote_sql(chr(39) + 'a')}").fetchone() == ("'a",)
