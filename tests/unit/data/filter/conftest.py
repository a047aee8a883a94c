"""Rows of metadata, small tasks to filter them in, and a run of everything."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filter_cases import ALL
from majolica.config.filter import FilterConfig, WorkConfig
from majolica.data.filter.run import filter_metadata
from plain_filter import Oracle, Row

KINDS = {
    "url": pa.string(),
    "text": pa.string(),
    "id": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "language": pa.string(),
    "similarity": pa.float32(),
    "nsfw": pa.string(),
    "punsafe": pa.float32(),
    "pwatermark": pa.float32(),
    "aesthetic": pa.float32(),
    "phash": pa.string(),
}
# Small cuts, so that a few hundred rows make several tasks of every step.
WORK = WorkConfig(rows_at_once=150, rows_per_bucket=200, rows_per_file=40, memory_mb=200, threads=1)


def _rows(n: int, seed: int = 0) -> list[Row]:
    """Rows with unknown values, repeated URLs, repeated and near pictures, few sites."""
    rng = random.Random(seed)

    def maybe(value: Any) -> Any:
        return None if rng.random() < 0.08 else value

    hashes = [rng.getrandbits(64) for _ in range(n // 3)]
    hashes += [value ^ (1 << rng.randrange(64)) ^ (1 << rng.randrange(64)) for value in hashes[: n // 4]]
    rows = []
    for i in range(n):
        site = rng.choice(["img.alpha.com", "www.beta.co.uk", "gamma.org", "cdn.gamma.org", "10.0.0.1"])
        rows.append(
            {
                "url": maybe(f"http{rng.choice(['', 's'])}://{site}/p/{rng.randrange(n * 2 // 3)}.jpg?x=é"),
                "text": maybe(" ".join(["word"] * rng.randrange(7)) + rng.choice(["", "\t\n", " ü"])),
                "id": str(i % (n // 2)),
                "width": maybe(rng.randrange(100, 1000)),
                "height": maybe(rng.randrange(100, 1000)),
                "language": maybe(rng.choice(["en", "EN", "de"])),
                "similarity": maybe(rng.randrange(20, 40) / 100),
                "nsfw": maybe(rng.choice(["UNLIKELY", "UNSURE", "NSFW"])),
                "punsafe": maybe(rng.randrange(100) / 100),
                "pwatermark": maybe(rng.randrange(100) / 100),
                "aesthetic": maybe(rng.randrange(30, 80) / 10),
                "phash": maybe(f"{rng.choice(hashes):016x}"),
            }
        )
    return rows


def _write(path: Path, rows: list[Row], row_group: int = 50) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in KINDS.items()})
    pq.write_table(table, path, row_group_size=row_group)
    return path


def _read(out: Path) -> list[Row]:
    """The rows of an output, in order."""
    return [row for path in sorted(out.glob("part-*.parquet")) for row in pq.read_table(path).to_pylist()]


@pytest.fixture(scope="session")
def rows() -> Callable[..., list[Row]]:
    """rows(n, seed=0) -> rows of every kind."""
    return _rows


@pytest.fixture(scope="session")
def write() -> Callable[..., Path]:
    """write(path, rows, row_group=50) -> path of the parquet file."""
    return _write


@pytest.fixture(scope="session")
def read() -> Callable[[Path], list[Row]]:
    """read(out) -> rows of the output, in order."""
    return _read


@pytest.fixture(scope="session")
def oracle() -> type[Oracle]:
    """oracle(config)(rows) -> rows that stay, and how many went under each rule."""
    return Oracle


@pytest.fixture(scope="session")
def small() -> Callable[..., FilterConfig]:
    """small(folder, **parts) -> a configuration cut into small tasks."""

    def make(*inputs: Path, **parts: Any) -> FilterConfig:
        return replace(FilterConfig(inputs=tuple(map(str, inputs)), work=WORK), **parts)

    return make


@pytest.fixture(scope="module")
def expected(
    tmp_path_factory: pytest.TempPathFactory, rows: Any, write: Any, read: Any, small: Any
) -> tuple[FilterConfig, list[Any], Path]:
    """A configuration with everything on, the rows that come out, and where they are."""
    folder = tmp_path_factory.mktemp("expected")
    config = small(write(folder / "a.parquet", rows(600)), **ALL)
    filter_metadata(config, folder / "out")
    return config, read(folder / "out"), folder / "out"
