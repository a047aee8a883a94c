"""Near-duplicates: no pair is missed, and who goes is what greedy choice says."""

from __future__ import annotations

import itertools
import random
from math import comb

import duckdb
import pytest

from majolica.config.filter import FARTHEST
from majolica.data.filter.near import BITS, choose_block_tables, key_sql


@pytest.mark.parametrize("distance", range(1, FARTHEST + 1))
@pytest.mark.parametrize("rows", [10, 5_000_000, 10**9])
def test_two_hashes_within_the_distance_agree_on_some_table(distance: int, rows: int) -> None:
    chosen = choose_block_tables(distance, rows)
    blocks = {block for table in chosen for block in table}
    assert sum(bits for _, bits in blocks) == BITS
    assert len(chosen) == comb(len(blocks), distance) <= 250
    masks = [sum(((1 << bits) - 1) << first for first, bits in table) for table in chosen]
    rng = random.Random(0)
    for _ in range(300):
        flips = sum(1 << bit for bit in rng.sample(range(BITS), distance))
        assert any(flips & mask == 0 for mask in masks)
    # One more bit can escape, if it is spread over the blocks: the tables are no larger than needed.
    apart = sum(1 << first for first, _ in itertools.islice(sorted(blocks), distance + 1))
    assert not any(apart & mask == 0 for mask in masks) or len(blocks) > distance + 1


def test_more_rows_ask_for_longer_keys() -> None:
    lengths = [sum(bits for _, bits in choose_block_tables(3, rows)[0]) for rows in (100, 10**5, 10**8)]
    assert lengths == sorted(lengths)
    assert lengths[-1] >= 25


def test_the_key_is_the_chosen_bits_side_by_side_at_the_upper_end() -> None:
    phash = 0xABCD_0000_0000_12EF
    blocks = ((0, 8), (48, 16))
    found = duckdb.execute(f"SELECT {key_sql(blocks)} FROM (SELECT {phash}::UBIGINT AS phash)").fetchone()
    assert found == (0xEFABCD << 40,)
