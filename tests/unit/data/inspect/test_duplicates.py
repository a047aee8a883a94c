"""Groups of equal and of similar hashes: what every pair compared with every other would say."""

from __future__ import annotations

import numpy as np
import pytest

from majolica.data.inspect.duplicates import bits_apart, exact_groups, near_groups


def flipped(value: int, *bits: int) -> int:
    for bit in bits:
        value ^= 1 << bit
    return value


def by_brute_force(values: list[int], distance: int) -> list[list[int]]:
    groups = [{i} for i in range(len(values))]
    for i in range(len(values)):
        for j in range(i):
            if (values[i] ^ values[j]).bit_count() <= distance:
                one = next(group for group in groups if i in group)
                other = next(group for group in groups if j in group)
                if one is not other:
                    one |= other
                    groups.remove(other)
    return sorted((sorted(group) for group in groups if len(group) > 1), key=lambda group: (-len(group), group))


def test_bits_apart() -> None:
    values = np.array([0, 1, 2**64 - 1, 5], np.uint64)
    assert bits_apart(values, values[::-1].copy()).tolist() == [2, 63, 63, 2]


def test_exact() -> None:
    assert exact_groups(np.array([7, 3, 7, 9, 3, 7], np.uint64)) == [[0, 2, 5], [1, 4]]
    assert exact_groups(np.array([1, 2], np.uint64)) == [] == exact_groups(np.array([], np.uint64))


@pytest.mark.parametrize("distance", [0, 1, 4, 7, 16])
def test_near_as_by_brute_force(distance: int) -> None:
    """Random hashes and their neighbours at every distance around the limit, the flipped bits anywhere."""
    rng = np.random.default_rng(distance)
    values: list[int] = []
    for _ in range(60):
        base = int(rng.integers(0, 2**63)) * 2 + int(rng.integers(2))
        values.append(base)
        for apart in {0, 1, distance, distance + 1, 2 * distance}:
            values.append(flipped(base, *map(int, rng.permutation(64)[:apart])))
    hashes, content = np.array(values, np.uint64), np.arange(len(values), dtype=np.uint64)
    found = near_groups(hashes, content, distance)
    assert found == by_brute_force(values, distance)
    assert found


def test_copies_are_not_called_similar() -> None:
    """Of pictures with the same bytes only the first takes part."""
    hashes = np.array([5, 5, 4, 5], np.uint64)
    assert near_groups(hashes, np.array([1, 1, 2, 1], np.uint64), 2) == [[0, 2]]
    assert near_groups(hashes, np.array([1, 1, 1, 1], np.uint64), 2) == []
    assert near_groups(np.array([], np.uint64), np.array([], np.uint64), 2) == []


def test_many_equal_hashes_are_quick() -> None:
    """A thousand blank pictures are one value, not a million pairs."""
    hashes = np.zeros(20_000, np.uint64)
    assert [len(group) for group in near_groups(hashes, np.arange(20_000, dtype=np.uint64), 4)] == [20_000]
