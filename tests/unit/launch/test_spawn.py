"""Ranks of one machine: whoever is asked to stop, all stop; whoever dies, none stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from majolica.errors import UserError
from majolica.launch import spawn as module
from majolica.launch.spawn import check_room, launch
from processes import ENVIRONMENT, is_running, kill_group, members, wait_for

LAUNCH = """
import sys
from majolica.launch.spawn import launch
try:
    launch(2, "light_ranks", sys.argv[1:])
except KeyboardInterrupt:
    sys.exit(130)
"""


def started(folder: Path, task: str) -> subprocess.Popen[bytes]:
    """A launcher of two light ranks, in a process group of its own, when both have written their pids."""
    words = [sys.executable, "-c", LAUNCH, str(folder), task]
    process = subprocess.Popen(words, env=ENVIRONMENT, start_new_session=True)
    ready = ["ready-1", "pid-0"] if task == "late" else ["ready-0", "ready-1"]
    if not wait_for(lambda: all((folder / name).exists() for name in ready)):
        kill_group(process.pid)
        raise AssertionError("the ranks did not begin")
    return process


@pytest.mark.parametrize("whom", ["launcher", "rank"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1])
def test_whoever_is_asked_to_stop_all_ranks_save_and_the_launcher_exits_130(
    tmp_path: Path, whom: str, number: signal.Signals
) -> None:
    process = started(tmp_path, "trains")
    try:
        if whom == "launcher":
            process.send_signal(number)
            assert process.wait(60) == 130
            assert {path.name for path in tmp_path.glob("saved-*")} == {"saved-0", "saved-1"}
        else:  # a real rank would vote; this one leaves, and the others hear of it
            os.kill(int((tmp_path / "pid-1").read_text()), number)
            process.wait(60)
            assert (tmp_path / "saved-1").exists()
        assert members(process.pid) == []
    finally:
        kill_group(process.pid)


def test_a_killed_launcher_leaves_no_rank_behind_and_each_saves(tmp_path: Path) -> None:
    process = started(tmp_path, "trains")
    try:
        process.kill()
        assert wait_for(lambda: members(process.pid) == [], 60)
        assert {path.name for path in tmp_path.glob("saved-*")} == {"saved-0", "saved-1"}
    finally:
        kill_group(process.pid)


def test_what_a_killed_launcher_left_goes_with_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And never what one that runs has."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setitem(ENVIRONMENT, "TMPDIR", str(tmp_path / "tmp"))
    processes = []
    for name in ("killed", "runs", "next"):
        (tmp_path / name).mkdir()
        processes.append(started(tmp_path / name, "trains"))
        if name == "killed":
            processes[0].kill()
            assert wait_for(lambda: members(processes[0].pid) == [], 60)
            [left] = (tmp_path / "tmp").iterdir()
    try:
        assert not left.exists() and len(list((tmp_path / "tmp").iterdir())) == 2
        for process in processes[1:]:
            process.terminate()
            assert process.wait(60) == 130
        assert list((tmp_path / "tmp").iterdir()) == []
    finally:
        for process in processes:
            kill_group(process.pid)


def test_a_rank_on_its_way_to_the_others_ends_with_a_killed_launcher(tmp_path: Path) -> None:
    """It would wait for half an hour for those that never come."""
    process = started(tmp_path, "late")
    try:
        process.kill()
        assert wait_for(lambda: not is_running(int((tmp_path / "pid-0").read_text())), 60)
    finally:
        kill_group(process.pid)


def test_two_signals_in_a_row_do_not_cost_the_save(tmp_path: Path) -> None:
    process = started(tmp_path, "trains")
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT, signal.SIGHUP):
            process.send_signal(number)
        assert process.wait(60) == 130
        assert {path.name for path in tmp_path.glob("saved-*")} == {"saved-0", "saved-1"}
    finally:
        kill_group(process.pid)


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])


def test_a_rank_that_fails_ends_the_others_and_its_code_is_told(light: None, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"stopped early \(exit code 3\)"):
        launch(2, "light_ranks", [str(tmp_path), "fails"])
    assert not is_running(int((tmp_path / "pid-0").read_text()))


def test_a_rank_that_a_signal_ended_is_told_by_its_name(light: None, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="one of its processes was ended by SIGABRT"):
        launch(2, "light_ranks", [str(tmp_path), "killed"])


def test_a_rank_that_hears_nothing_is_killed_after_a_while(
    light: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE", 0.3)
    monkeypatch.setattr(module, "_send", lambda ranks, message: None)
    with pytest.raises(UserError, match=r"exit code 3"):
        launch(2, "light_ranks", [str(tmp_path), "fails"])
    assert not is_running(int((tmp_path / "pid-0").read_text()))


def test_more_processes_than_places_are_refused() -> None:
    with pytest.raises(UserError, match=r"--train.processes is 4096 and this machine has room for"):
        check_room(4096, gpus=0)
    check_room(2, gpus=2)
