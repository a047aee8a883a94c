"""Watching real processes from tests."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import light_ranks
import majolica

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(Path(majolica.__file__).parents[1]), str(Path(light_ranks.__file__).parent)]),
}


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Whether `condition` became true within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def runs(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent to notice does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        pass
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return not Path("/proc").is_dir()


def members(group: int) -> list[int]:
    """Processes of a process group that run (Linux)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                state, _, of = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(of) == group and state != "Z":
                    found.append(int(entry.name))
    return found


def kill_group(group: int) -> None:
    """End whatever a failed test left of a process group that it started."""
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGKILL)
