"""Gathering a folder of pictures into shards: a configuration for it, and what came out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from majolica.config.shard import ShardConfig
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet


def config(source: Path, **options: Any) -> ShardConfig:
    return ShardConfig(source=str(source), out=str(source.parent / "out"), per_shard=4, **options)


def records(folder: Path) -> list[Record]:
    shards = ShardSet(folder)
    return [shards.read(i) for i in range(len(shards))]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.tar")}


def skipped(out: Path) -> dict[str, str]:
    lines = [json.loads(line) for line in (out / "skipped.jsonl").read_text().splitlines()]
    return {line["path"]: line["reason"] for line in lines}
