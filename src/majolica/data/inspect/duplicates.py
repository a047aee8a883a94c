"""Finds pictures that are there more than once, with the same bytes or nearly the same look."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_BITS = np.array([value.bit_count() for value in range(256)], np.uint8)


def exact_groups(content: NDArray[np.uint64]) -> list[list[int]]:
    """Groups of places with equal values, each in order, the largest groups first."""
    return _groups(np.unique(content, return_inverse=True)[1])


def near_groups(hashes: NDArray[np.uint64], content: NDArray[np.uint64], distance: int) -> list[list[int]]:
    """Groups of places whose hashes differ in at most `distance` bits, including chains of them.

    Of places with the same `content`, one stands for all.

    Two 64-bit hashes that differ in d bits agree in at least one of d + 1 bands of bits. So only
    hashes that agree in a band are compared (Manku, Jain and Das Sarma, "Detecting near-duplicates
    for web crawling", WWW 2007).
    """
    first = np.unique(content, return_index=True)[1]
    first.sort()
    values, which = np.unique(hashes[first], return_inverse=True)
    root = np.arange(len(values))
    for left, right in _close_pairs(values, distance):
        for a, b in zip(left.tolist(), right.tolist(), strict=True):
            root[_root(root, a)] = _root(root, b)
    roots = np.array([_root(root, int(place)) for place in which], np.int64)
    return [[int(first[place]) for place in group] for group in _groups(roots)]


def bits_apart(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The number of bits in which two arrays of hashes differ, element by element."""
    bits: NDArray[np.int64] = _BITS[(one ^ other).view(np.uint8)].reshape(-1, 8).sum(axis=1, dtype=np.int64)
    return bits


def _close_pairs(values: NDArray[np.uint64], distance: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    edges = [round(64 * i / (distance + 1)) for i in range(distance + 2)]
    for low, high in pairwise(edges):
        band = (values >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(band, kind="stable")
        for step in range(1, len(values)):
            left = np.flatnonzero(band[order[step:]] == band[order[:-step]])
            if not len(left):
                break
            a, b = order[left], order[left + step]
            close = bits_apart(values[a], values[b]) <= distance
            yield a[close], b[close]


def _root(root: NDArray[np.int64], place: int) -> int:
    while root[place] != place:
        root[place] = root[root[place]]
        place = int(root[place])
    return place


def _groups(labels: NDArray[np.int64]) -> list[list[int]]:
    order = np.argsort(labels, kind="stable")
    ends = np.flatnonzero(np.diff(labels[order])) + 1
    groups = [sorted(group.tolist()) for group in np.split(order, ends) if len(group) > 1]
    return sorted(groups, key=lambda group: (-len(group), group))
