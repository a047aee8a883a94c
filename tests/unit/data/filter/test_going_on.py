"""A run that was stopped goes on to the same result; a finished one is left alone; another is refused."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from majolica.config.engine import EngineConfig
from majolica.config.filter import (
    SampleConfig,
)
from majolica.data.filter import run as run_module
from majolica.data.filter import work
from majolica.data.filter.run import filter_metadata
from majolica.errors import UserError
from processes import ENVIRONMENT


class Stop(Exception):
    """Stands for a kill."""


def test_a_run_stopped_after_any_task_goes_on_to_the_same_result(
    expected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Any
) -> None:
    config, wanted, _ = expected
    funnel = json.loads((expected[2] / "funnel.json").read_text())
    original = work.write_atomic
    done = 0

    def dies(path: Path, content: Any) -> None:
        nonlocal done
        original(path, content)
        if path.suffix == ".json" and path.parent.parent.name == ".work":
            done += 1
            if done % 3 == 0:
                raise Stop

    monkeypatch.setattr(work, "write_atomic", dies)
    stops = 0
    for _ in range(100):
        try:
            found = filter_metadata(config, tmp_path / "out")
            break
        except Stop:
            stops += 1
            assert not (tmp_path / "out/funnel.json").exists()
    assert stops > 5
    assert read(tmp_path / "out") == wanted
    assert found == funnel
    assert not (tmp_path / "out/.work").exists()


def test_a_run_stopped_while_files_are_moved_goes_on(
    expected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Any
) -> None:
    config, wanted, _ = expected
    monkeypatch.setattr(run_module, "render_funnel", lambda found: (_ for _ in ()).throw(Stop))
    with pytest.raises(Stop):
        filter_metadata(config, tmp_path / "out")
    monkeypatch.undo()
    filter_metadata(config, tmp_path / "out")
    assert read(tmp_path / "out") == wanted


def test_a_killed_process_goes_on_to_the_same_result(expected: Any, tmp_path: Path, read: Any) -> None:
    config, wanted, _ = expected
    code = (
        "import sys, pickle, pathlib; from majolica.data.filter.run import filter_metadata\n"
        "filter_metadata(pickle.loads(bytes.fromhex(sys.argv[1])), pathlib.Path(sys.argv[2]))"
    )
    import pickle

    out = tmp_path / "out"
    words = [sys.executable, "-c", code, pickle.dumps(config).hex(), str(out)]
    process = subprocess.Popen(words, env=ENVIRONMENT)
    while process.poll() is None and not list(out.glob(".work/scan/*.json"))[2:]:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "funnel.json").exists()
    filter_metadata(config, out)
    assert read(out) == wanted


def test_the_work_of_another_run_is_not_mixed_in(
    expected: Any, tmp_path: Path, read: Any, rows: Any, write: Any
) -> None:
    config, wanted, finished = expected
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    other = replace(config, sample=SampleConfig(budget=3))
    with pytest.raises(UserError, match="holds another filtered set: choose another --out"):
        filter_metadata(other, out)
    assert read(out) == wanted
    filter_metadata(other, out, restart=True)
    assert len(read(out)) == 3

    (out / "funnel.json").unlink()
    (out / ".work/scan").mkdir(parents=True)
    (out / ".work/fingerprint").write_text("another")
    (out / ".work/scan/000000.json").write_text("{}")
    with pytest.raises(UserError, match="begun with another configuration or other inputs"):
        filter_metadata(other, out)


def test_a_finished_output_is_left_alone_unless_its_input_changed(
    expected: Any, tmp_path: Path, rows: Any, write: Any
) -> None:
    config, _, out = expected
    part = out / "part-00000.parquet"
    before = part.stat().st_mtime_ns
    (out / ".work/scan").mkdir(parents=True)  # as a run leaves it that is killed while it cleans up
    found = filter_metadata(replace(config, engine=EngineConfig(workers=2)), out)
    assert found["rows_out"] == 60
    assert part.stat().st_mtime_ns == before and not (out / ".work").exists()
    changed = replace(config, inputs=(str(write(tmp_path / "a.parquet", rows(601))),))
    with pytest.raises(UserError, match="holds another filtered set"):
        filter_metadata(changed, out)
