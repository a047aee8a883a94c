"""Tasks in this process, in processes and on a real Ray cluster of two nodes; workers that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import chores
import majolica
from chores import always_dies, dies_once, refuse, square, where
from majolica.config.engine import EngineConfig
from majolica.data.tasks import MOST_DEATHS, run_tasks
from majolica.errors import UserError
from processes import ENVIRONMENT, kill_group, members, wait_for

PROCESSES = EngineConfig(workers=2)


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers_at_all(workers: int) -> None:
    with pytest.raises(UserError, match=f"workers is {workers}: there must be at least 1"):
        list(run_tasks(square, [1], EngineConfig(workers=workers)))


@pytest.mark.parametrize("engine", [EngineConfig(), PROCESSES], ids=["here", "processes"])
def test_every_task_is_done_once(engine: EngineConfig) -> None:
    assert sorted(run_tasks(square, range(9), engine)) == [(x, x * x) for x in range(9)]
    assert list(run_tasks(square, [], engine)) == []


@pytest.mark.parametrize("engine", [EngineConfig(), PROCESSES], ids=["here", "processes"])
def test_what_a_task_raises_reaches_the_caller(engine: EngineConfig) -> None:
    with pytest.raises(UserError, match="is refused"):
        list(run_tasks(refuse, [1, 2], engine))


def test_a_killed_worker_s_task_is_done_again(tmp_path: Path) -> None:
    found = list(run_tasks(partial(dies_once, tmp_path), range(6), PROCESSES))
    assert sorted(found) == [(x, x * x) for x in range(6)]
    assert (tmp_path / "died").exists()


def test_a_task_that_always_kills_its_worker_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"workers were killed {MOST_DEATHS} times, most likely for memory"):
        list(run_tasks(partial(always_dies, tmp_path), [3], PROCESSES))
    assert len(list(tmp_path.iterdir())) == MOST_DEATHS


PARENT = """
import sys
from functools import partial
from pathlib import Path
from chores import sleeps
from majolica.config.engine import EngineConfig
from majolica.data.tasks import run_tasks
from majolica.signals import interrupt_on_signals
if __name__ == "__main__":
    try:
        with interrupt_on_signals():
            list(run_tasks(partial(sleeps, Path(sys.argv[1])), range(8), EngineConfig(workers=2)))
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_workers_end_with_their_parent_however_it_ends(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    (tmp_path / "tasks").mkdir()
    words = [sys.executable, str(tmp_path / "parent.py"), str(tmp_path / "tasks")]
    parent = subprocess.Popen(words, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert wait_for(lambda: len(list((tmp_path / "tasks").iterdir())) == 2)
        if number == signal.SIGINT:  # a terminal interrupts them all
            os.killpg(parent.pid, number)
        else:
            parent.send_signal(number)
        assert wait_for(lambda: members(parent.pid) == [], 60)
        assert parent.stderr
        assert parent.wait(5) == (-9 if number == signal.SIGKILL else 130)
        assert number == signal.SIGKILL or parent.stderr.read() == ""
    finally:
        kill_group(parent.pid)


def test_no_cluster_is_one_line() -> None:
    with pytest.raises(UserError, match=r"no Ray cluster at '127.0.0.1:1': start one with") as raised:
        list(run_tasks(square, [1], EngineConfig(engine="ray", ray_address="127.0.0.1:1")))
    assert "\n" not in str(raised.value)


@pytest.fixture(scope="module")
def cluster() -> Iterator[EngineConfig]:
    """Two nodes of two cores each: two raylets with their own workers, as on two machines."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(Path(majolica.__file__).parents[1]), str(Path(chores.__file__).parent)]
    )
    node = {"num_cpus": 2, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    cluster.add_node(**node)
    cluster.wait_for_nodes()
    yield EngineConfig(engine="ray", ray_address=cluster.address, workers=4)
    ray.shutdown()
    cluster.shutdown()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


def test_ray_does_every_task_on_both_nodes(cluster: EngineConfig, tmp_path: Path) -> None:
    assert sorted(run_tasks(square, range(9), cluster)) == [(x, x * x) for x in range(9)]
    assert len({node for _, node in run_tasks(where, range(8), cluster)}) == 2


def test_ray_raises_what_a_task_raises_and_repeats_what_was_killed(cluster: EngineConfig, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is refused"):
        list(run_tasks(refuse, [1, 2], cluster))
    found = list(run_tasks(partial(dies_once, tmp_path), range(6), cluster))
    assert sorted(found) == [(x, x * x) for x in range(6)]
    assert (tmp_path / "died").exists()
    with pytest.raises(UserError, match=f"Ray workers were killed {MOST_DEATHS}"):
        list(run_tasks(partial(always_dies, tmp_path), [3], cluster))


def test_the_filter_on_ray_gives_the_rows_of_one_process(cluster: EngineConfig, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from majolica.config.filter import DedupConfig, DomainRule, FilterConfig, RulesConfig, SampleConfig, WorkConfig
    from majolica.data.filter.run import filter_metadata

    n = 400
    columns: dict[str, Any] = {
        "url": [f"http://h{i % 5}.org/{i % 300}" for i in range(n)],
        "text": [f"number {i}" for i in range(n)],
        "phash": [f"{i % 250:016x}" for i in range(n)],
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=100)
    config = FilterConfig(
        inputs=(str(tmp_path / "a.parquet"),),
        rules=RulesConfig(domain=DomainRule(cap=35)),
        dedup=DedupConfig(picture=True),
        sample=SampleConfig(budget=90),
        work=WorkConfig(rows_at_once=100, rows_per_bucket=200, memory_mb=100),
    )
    here = filter_metadata(config, tmp_path / "here")
    there = filter_metadata(replace(config, engine=cluster), tmp_path / "there")
    assert here == there
    assert here["rows_out"] == 90
    first, second = (pq.read_table(tmp_path / out / "part-00000.parquet") for out in ("here", "there"))
    assert first.equals(second)


def test_where_there_are_no_semaphores(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A read-only /dev/shm costs time, not the work."""
    from multiprocessing import synchronize

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(synchronize._multiprocessing, "SemLock", refuse)
    assert dict(run_tasks(chores.square, range(5), EngineConfig(workers=2))) == {i: i * i for i in range(5)}
    assert "works alone" in caplog.text and "/dev/shm" in caplog.text and "Read-only file system" in caplog.text
