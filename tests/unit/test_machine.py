"""How many cores there are for us, and how threads wait."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from majolica import cli, machine

SOURCE = Path(cli.__file__).parents[1]
ENTRIES = ("majolica.cli", "majolica.launch.worker")


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def quota(tmp_path: Path, membership: str, files: dict[str, str]) -> float:
    (tmp_path / "membership").write_text(membership)
    return machine.cpu_quota(tree(tmp_path / "cgroup", files), tmp_path / "membership")


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, math.inf),
        ("0::/job/step\n", {"job/cpu.max": "200000 100000", "job/step/cpu.max": "max 100000"}, 2.0),
        (
            "3:cpu,cpuacct:/\n",
            {"cpu,cpuacct/cpu.cfs_quota_us": "50000", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
            0.5,
        ),
        ("1:cpu:/far/away\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, math.inf),
        ("2:memory:/\n", {"cpu.max": "150000 100000\n"}, math.inf),
        ("0::/\n", {"cpu.max": "nonsense\n"}, math.inf),
        ("", {}, math.inf),
    ],
)
def test_the_quota_of_a_control_group(tmp_path: Path, membership: str, files: dict[str, str], expected: float) -> None:
    assert quota(tmp_path, membership, files) == expected


def test_a_quota_limits_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(machine, "cpu_quota", lambda: 1.5)
    assert machine.cores() == 2
    monkeypatch.setattr(machine, "cpu_quota", lambda: math.inf)
    assert machine.cores() == 64


@pytest.mark.parametrize(
    ("idle", "own", "expected"),
    [
        (7.0, 1.0, 8),  # nothing else runs
        (6.8, 1.0, 8),  # a fifth of a core is in use
        (6.0, 1.0, 7),  # one busy process
        (4.5, 1.0, 5),
        (0.0, 0.3, 1),  # all are busy
        (7.9, 1.0, 8),  # rounding of the clock
    ],
)
def test_cores_that_others_keep_busy_are_not_free(
    monkeypatch: pytest.MonkeyPatch, idle: float, own: float, expected: int
) -> None:
    clocks = {"idle": 100.0, "wall": 0.0, "own": 0.0}
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.setattr(machine, "_idle_seconds", lambda: clocks["idle"])
    monkeypatch.setattr(machine.time, "perf_counter", lambda: clocks["wall"])
    monkeypatch.setattr(machine.time, "process_time", lambda: clocks["own"])
    free = machine.watch_cores()
    clocks = {"idle": 100 + idle / 2, "wall": 0.5, "own": own / 2}
    assert free() == expected


def test_all_cores_are_free_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.setattr(machine, "_idle_seconds", lambda: None)
    assert machine.watch_cores()() == 8
    monkeypatch.undo()
    assert machine._idle_seconds(tmp_path / "none") is None
    assert machine._idle_seconds(tree(tmp_path, {"stat": "cpu0 1 2\n"}) / "stat") is None


def test_the_idle_time_is_that_of_our_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2}, raising=False)
    rows = "cpu 0 0 0 9999 0\ncpu0 5 0 5 100 20 7\ncpu1 5 0 5 5000 0 7\ncpu2 5 0 5 300 0 7\nintr 4\n"
    ticks = os.sysconf("SC_CLK_TCK")
    assert machine._idle_seconds(tree(tmp_path, {"stat": rows}) / "stat") == 420 / ticks


@pytest.mark.parametrize("name", machine.WAIT_SETTINGS)
def test_what_the_user_set_about_waiting_is_kept(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for other in machine.WAIT_SETTINGS:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "7")
    machine.let_threads_sleep()
    assert {other: os.environ.get(other) for other in machine.WAIT_SETTINGS if other in os.environ} == {name: "7"}


def environment(**settings: str) -> dict[str, str]:
    left_out = {*machine.WAIT_SETTINGS, *machine.THREAD_SETTINGS}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, "PYTHONPATH": str(SOURCE), **settings}


@pytest.mark.parametrize("module", ENTRIES)
def test_every_entry_settles_how_threads_wait_before_its_torch_is_there(module: str) -> None:
    code = (
        "import os, sys, majolica, majolica.machine\n"
        "assert 'OMP_WAIT_POLICY' not in os.environ, 'work at import'\n"
        f"from {module} import main\n"
        "assert 'OMP_WAIT_POLICY' not in os.environ, 'work at import'\n"
        "loaded = 'torch' in sys.modules\n"
        "try: main([])\n"
        "except SystemExit: pass\n"  # the arguments that it wants
        "print(os.environ.get('OMP_WAIT_POLICY'), loaded)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment())
    assert done.stdout.splitlines()[-1:] == ["PASSIVE False"], done.stderr


@pytest.mark.parametrize(("setting", "expected"), [({}, "3"), ({"OMP_NUM_THREADS": "5"}, "5")])
def test_verbs_compute_on_the_free_cores_unless_told_otherwise(setting: dict[str, str], expected: str) -> None:
    code = (
        "import majolica.cli as cli, sys\n"
        "cli.watch_cores = lambda: lambda: 3\n"
        "assert cli.main(['generate', 'fox', '--run', 'none']) == 2\n"
        "import os; print(os.environ['OMP_NUM_THREADS'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment(**setting)
    )
    assert done.stdout.strip() == expected
