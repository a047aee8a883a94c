"""What a run over the network makes of large pictures and of colours, row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from majolica.config.fetch import FetchConfig, check_fetch
from majolica.data.fetch.run import fetch
from majolica.data.pictures.decode import decode
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError


def test_memory_and_colours(server: Any, table: Callable[..., str], config: FetchConfig) -> None:
    names = ("large.png", "wide-gamut.jpg", "odd-profile.jpg")
    rows = table([server.url(name) for name in names])
    fetch(replace(config, input=(rows,), decode_gb=0.05, web=replace(config.web, allow_private=True)))
    found = pq.read_table(Path(config.out) / "00000.parquet").to_pylist()
    assert [row["status"] for row in found] == ["too_much_memory", "success", "success"]
    assert found[0]["error_message"] == "decoding it takes about 0.096 GB, and decode_gb is 0.05"
    assert found[1]["error_message"] is None
    assert found[2]["error_message"] == "colour profile ignored: the profile is damaged"
    shards = ShardSet(config.out)
    for i in range(2):
        mean = decode(shards.read(i).image).image.reshape(-1, 3).mean(0)
        assert np.abs(mean - (200, 60, 49)).max() <= 2


def test_no_memory_at_all_is_refused() -> None:
    with pytest.raises(UserError, match="decode_gb is 0: it must be above 0"):
        check_fetch(FetchConfig(decode_gb=0.0))
