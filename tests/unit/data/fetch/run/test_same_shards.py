"""Shards are the same whoever made them: threads, processes or Ray."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fetched import members, statuses, with_copies
from majolica.config.engine import EngineConfig
from majolica.config.fetch import FetchConfig
from majolica.data.fetch.run import fetch

Table = Callable[..., str]


def test_open_shards_and_threads_change_nothing(server: Any, table: Table, config: FetchConfig) -> None:
    config = replace(config, input=(table(with_copies(server, 45)),))
    outs = []
    for open_shards, threads, connections in ((1, 1, 1), (4, 3, 32)):
        outs.append(f"{config.out}-{open_shards}")
        web = replace(config.web, connections=connections)
        fetch(replace(config, out=outs[-1], open_shards=open_shards, threads=threads, web=web))
    assert members(outs[0]) == members(outs[1])
    tars = [[path.read_bytes() for path in sorted(Path(out).glob("*.tar"))] for out in outs]
    assert tars[0] == tars[1]


def test_processes_make_the_same_shards(server: Any, table: Table, config: FetchConfig) -> None:
    config = replace(config, input=(table(with_copies(server, 45)),))
    fetch(config)
    other = replace(config, out=config.out + "-two", engine=EngineConfig(workers=2))
    told: list[int] = []
    fetch(other, report=lambda totals: told.append(totals.done))
    assert members(config.out) == members(other.out) and statuses(config.out) == statuses(other.out)
    assert told[-1] == 45


@pytest.mark.slow
def test_ray_makes_the_same_shards(server: Any, table: Table, config: FetchConfig) -> None:
    from ray.cluster_utils import Cluster

    config = replace(config, input=(table(with_copies(server, 45)),))
    fetch(config)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        engine = EngineConfig("ray", 2, cluster.address)
        other = replace(config, out=config.out + "-ray", engine=engine)
        fetch(other)
    finally:
        import ray

        ray.shutdown()
        cluster.shutdown()
    assert members(config.out) == members(other.out) and statuses(config.out) == statuses(other.out)
