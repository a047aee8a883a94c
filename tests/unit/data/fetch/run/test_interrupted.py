"""Shards are whole however a run ends, and the same command completes them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fetched import members, statuses, with_copies
from majolica.config.fetch import FetchConfig
from majolica.config.io import save_config
from majolica.data.fetch import shard, spool
from majolica.data.fetch.run import fetch
from majolica.errors import UserError
from processes import ENVIRONMENT

Table = Callable[..., str]


def test_kill_9_then_the_same_command_completes(server: Any, table: Table, config: FetchConfig, tmp_path: Path) -> None:
    """Finished shards are not asked again, and the result is that of an uninterrupted run."""
    config = replace(config, input=(table(with_copies(server, 60)),), open_shards=1)
    config = replace(config, web=replace(config.web, connections=2))
    save_config(config, tmp_path / "fetch.yaml")
    command = [sys.executable, "-m", "majolica", "data", "fetch", str(tmp_path / "fetch.yaml")]
    out = Path(config.out)
    process = subprocess.Popen(command, env=ENVIRONMENT, start_new_session=True)
    began = time.monotonic()
    while len(list(out.glob("*_stats.json"))) < 2 and time.monotonic() - began < 60:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = len(list(out.glob("*_stats.json")))
    assert 2 <= finished < 6, "killed too late to say anything"
    (out / ".00004.tar.deadbeef.tmp").write_bytes(b"half")  # as a kill in the middle of a write would leave
    before = dict(server.asked)
    assert subprocess.run(command, env=ENVIRONMENT, check=False).returncode == 0
    kept = [path for i in range(10 * finished) if server.asked[path := f"127.0.0.1/photo/{i if i % 3 else i // 4}"]]
    assert len(statuses(out)) == 60 and not list(out.glob(".*.tmp"))
    again = sum(server.asked.values()) - sum(before.values())
    assert again <= 60 - 10 * finished + 1, (again, len(kept))
    whole = replace(config, out=config.out + "-whole")
    fetch(whole)
    assert members(out) == members(whole.out) and statuses(out) == statuses(whole.out)


def test_interrupt_leaves_whole_shards_only(server: Any, table: Table, config: FetchConfig, tmp_path: Path) -> None:
    urls = [*(server.url(f"photo/{i}") for i in range(10)), *(server.url("slow-headers") for _ in range(10))]
    save_config(replace(config, input=(table(urls),)), tmp_path / "fetch.yaml")
    command = [sys.executable, "-m", "majolica", "data", "fetch", str(tmp_path / "fetch.yaml")]
    process = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    began = time.monotonic()
    while not (Path(config.out) / "00000_stats.json").exists() and time.monotonic() - began < 60:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130 and said.splitlines()[-1] == "majolica: interrupted", said
    assert "Traceback" not in said
    names = sorted(path.name for path in Path(config.out).iterdir())
    assert names == ["00000.mjidx", "00000.parquet", "00000.tar", "00000_stats.json", "plan.json"]


@pytest.mark.parametrize("moment", ["spool", "tar", "table"])
def test_full_disk_is_one_line_and_leaves_nothing_half(
    moment: str, server: Any, table: Table, config: FetchConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    config = replace(config, input=(table([server.url(f"photo/{i}") for i in range(25)]),))
    target = {"spool": (spool.os, "pwrite"), "tar": (shard, "_add"), "table": (shard.pq, "write_table")}[moment]
    monkeypatch.setattr(*target, full)
    with pytest.raises(UserError, match="No space left on device; finished shards are kept") as told:
        fetch(config)
    assert "\n" not in str(told.value)
    monkeypatch.undo()
    assert not [path for path in Path(config.out).iterdir() if path.suffix in (".tmp", ".parquet")]
    assert not list(Path(config.out).glob("*_stats.json"))
    fetch(config)
    assert len(members(config.out)) == 75
