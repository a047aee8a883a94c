"""Sample k is the same whatever the threads, ranks and batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from loaded import read
from majolica.data.order.permutation import sample_index

Write = Callable[..., Path]


def test_position_decides_the_sample(write: Write) -> None:
    found = read(write(100), 25)
    expected = sample_index(np.arange(300), 100, 3)
    assert sorted(found) == list(range(300))
    for position, (pixels, caption, label) in found.items():
        assert label == expected[position]
        assert caption == f"number {label}"
        assert pixels == bytes([label] * 64 + [0] * 64 + [7] * 64)


def test_threads_batch_and_cache_change_nothing(write: Write) -> None:
    folder = write(100, bad=frozenset({7, 50}))
    plain = read(folder, 20, threads=1, bad_share=1.0)
    assert read(folder, 20, threads=0, bad_share=1.0) == plain
    assert read(folder, 20, threads=3, bad_share=1.0) == plain
    assert read(folder, 20, threads=16, bad_share=1.0) == plain
    assert read(folder, 20, threads=2, cache=True, bad_share=1.0) == plain
    assert read(folder, 48, batch=5, threads=2, bad_share=1.0) == plain


@pytest.mark.parametrize("world", [2, 3, 4])
def test_any_number_of_ranks_reads_the_same_global_order(write: Write, world: int) -> None:
    folder = write(100, bad=frozenset({3}))
    plain = read(folder, 20, bad_share=1.0)
    parts = [read(folder, 20, batch=12 // world, rank=r, world=world, bad_share=1.0) for r in range(world)]
    assert {p: row for part in parts for p, row in part.items()} == plain
    assert [sorted(part)[:3] for part in parts] == [[r, r + world, r + 2 * world] for r in range(world)]


def test_an_epoch_visits_every_sample_once(write: Write) -> None:
    found = read(write(96), 16)
    for epoch in range(2):
        labels = sorted(found[epoch * 96 + i][2] for i in range(96))
        assert labels == list(range(96))
