"""The cache of remote blocks: right bytes, bounded, patient, and nothing left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from majolica.data.store import blocks
from majolica.data.store.blocks import Blocks
from majolica.errors import UserError

FILE = bytes(i % 251 for i in range(10_000))


class Store:
    """Counts what is fetched from it; fails as often as told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.failures = 0
        self.gate = threading.Event()
        self.gate.set()

    def fetch(self, file: str, start: int, end: int) -> bytes:
        self.gate.wait()
        self.asked.append((file, start))
        if self.failures:
            self.failures -= 1
            raise OSError("no route")
        return FILE[start:end]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(blocks, "PATIENCE", 0.001)
    return Store()


@pytest.fixture
def cache(store: Store, tmp_path: Path) -> Iterator[Blocks]:
    made = Blocks(store.fetch, tmp_path, limit=5000, threads=4, block=1000)
    yield made
    made.close()
    assert list(tmp_path.iterdir()) == []


def test_any_range_is_that_of_the_file_and_blocks_are_fetched_once(store: Store, cache: Blocks) -> None:
    for offset, size in [(0, 10), (990, 20), (1000, 1000), (0, 2500), (9_990, 10), (5, 0)]:
        assert cache.read("a", offset, size) == FILE[offset : offset + size]
    assert sorted(store.asked) == [("a", 0), ("a", 1000), ("a", 2000), ("a", 9000)]


def test_it_stays_within_its_limit_and_forgets_the_least_recently_used(
    store: Store, cache: Blocks, tmp_path: Path
) -> None:
    for number in range(5):
        cache.read("a", number * 1000, 1000)
    cache.read("a", 0, 1)  # block 0 is used again, so block 1 goes first
    cache.read("a", 5000, 1000)
    files = [path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()]
    assert sum(files) == cache.bytes <= 5000
    store.asked.clear()
    cache.read("a", 0, 1)
    cache.read("a", 1000, 1)
    assert store.asked == [("a", 1000)]


def test_ahead_is_fetched_before_it_is_read_and_only_once(store: Store, cache: Blocks) -> None:
    store.gate.clear()
    cache.prefetch("a", 500, 1000)
    cache.prefetch("a", 0, 10)
    with ThreadPoolExecutor(4) as pool:
        reads = [pool.submit(cache.read, "a", 100 * i, 100) for i in range(4)]
        store.gate.set()
        assert [read.result() for read in reads] == [FILE[100 * i : 100 * i + 100] for i in range(4)]
    assert cache.read("a", 1000, 1) == FILE[1000:1001]
    assert sorted(store.asked) == [("a", 0), ("a", 1000)]


def test_a_store_that_stumbles_is_asked_again(store: Store, cache: Blocks) -> None:
    store.failures = blocks.ATTEMPTS - 1
    assert cache.read("a", 0, 5) == FILE[:5]
    assert len(store.asked) == blocks.ATTEMPTS


def test_a_store_that_is_down_is_one_clear_line(store: Store, cache: Blocks) -> None:
    store.failures = 100
    with pytest.raises(UserError, match=r"a cannot be read \(no route\): is the store up"):
        cache.read("a", 0, 5)


def test_a_cleaned_or_full_disk_costs_only_time(store: Store, cache: Blocks, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.read("a", 0, 5)
    for path in cache.folder.iterdir():
        path.unlink()
    assert cache.read("a", 0, 5) == FILE[:5]

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert cache.read("a", 7000, 5) == FILE[7000:7005]
    assert cache.bytes == 1000
