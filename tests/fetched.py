"""What a run over the network left in its folder, and rows to fetch that repeat pictures."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def statuses(out: str | Path) -> list[tuple[str, str]]:
    """(key, status) of every row in a folder."""
    return [(row["key"], row["status"]) for path in parquets(out) for row in pq.read_table(path).to_pylist()]


def parquets(out: str | Path) -> list[Path]:
    return [path for path in sorted(Path(out).glob("*.parquet")) if path.stem.isdecimal()]


def members(out: str | Path) -> dict[str, bytes]:
    """Every member of every tar; a name that comes twice fails."""
    found: dict[str, bytes] = {}
    for path in sorted(Path(out).glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                assert member.name not in found
                found[member.name] = tar.extractfile(member).read()  # type: ignore[union-attr]
    return found


def with_copies(server: Any, count: int) -> list[str]:
    """URLs of which every third shows what one some shards earlier shows."""
    return [server.url(f"photo/{i if i % 3 else i // 4}?{i}") for i in range(count)]
