"""What a shard holds: files as img2dataset names them, pictures, captions and metadata."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from fetched import members
from majolica.config.fetch import FetchConfig
from majolica.data.fetch.run import fetch

Table = Callable[..., str]


def test_layout_is_that_of_img2dataset(server: Any, table: Table, config: FetchConfig) -> None:
    urls = [server.url(f"photo/{i}") for i in range(12)] + [server.url("404")]
    rows = table(urls, similarity=[0.5 + i for i in range(12)] + [float("nan")], width=list(range(13)))
    fetch(replace(config, input=(rows,), per_shard=1000))
    out = Path(config.out)
    assert sorted(path.name for path in out.iterdir() if path.name[0] != ".") == [
        *("00000.mjidx", "00000.parquet", "00000.tar", "00000_stats.json", "plan.json")
    ]
    found = members(out)
    assert list(found)[:4] == ["00000000.jpg", "00000000.txt", "00000000.json", "00000001.jpg"]
    known = json.loads(found["00000003.json"])
    assert known["url"] == urls[3] and known["caption"] == "picture 3" and known["similarity"] == 3.5
    assert known["source_width"] == 3 and (known["width"], known["height"]) == (72, 48)
    assert (known["original_width"], known["original_height"], known["status"]) == (90, 60, "success")
    table_of = pq.read_table(out / "00000.parquet").to_pylist()
    assert [row["status"] for row in table_of] == ["success"] * 12 + ["http_404"]
    assert {"key", "url", "caption", "error_message", "sha256", "phash", "similarity"} <= set(table_of[0])
    statistics = json.loads((out / "00000_stats.json").read_text())
    assert (statistics["count"], statistics["successes"], statistics["failed_to_download"]) == (13, 12, 1)
    assert statistics["status_dict"] == {"success": 12, "http_404": 1}
