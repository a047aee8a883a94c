"""What this process may use of the machine it runs on."""

from __future__ import annotations

import ctypes
import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

WAIT_SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""What a user may have set about how OpenMP threads wait: the standard's name, GNU's and LLVM's."""
THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
SPARE = 0.25
"""A core counts as free when at most this share of it is in use."""


def cores() -> int:
    """Cores that the system lets this process use: what a container, its quota or `taskset` leaves of them."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(count, cpu_quota())))


def cpu_quota(root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> float:
    """Cores' worth of time that this process's control groups allow it; infinite where there is no limit."""
    quotas = [math.inf]
    for line in _lines(membership):
        _, controllers, place = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        for mount in (root, root / "cpu", root / "cpu,cpuacct"):
            folder = mount / place.lstrip("/")
            for group in (folder, *folder.parents):  # the tightest limit on the way up holds
                quotas.append(_quota_of(group))
                if group == mount:
                    break
    return min(quotas)


def _quota_of(group: Path) -> float:
    """The limit of one control group: `cpu.max` in version 2, two files in version 1."""
    words = " ".join(_lines(group / "cpu.max")).split()
    if not words:
        words = [*_lines(group / "cpu.cfs_quota_us"), *_lines(group / "cpu.cfs_period_us")]
    with suppress(ValueError):
        quota, period = map(float, words)
        return quota / period if quota > 0 and period > 0 else math.inf
    return math.inf  # "max", or no limit is kept here


def let_threads_sleep() -> None:
    """Let OpenMP threads that wait for one another sleep instead of spinning; call it before torch is imported.

    A spinning thread keeps the core that the one it waits for needs: beside a single busy process, painting a
    picture took ten times as long. What the user has set is kept, and processes that this one starts inherit it.
    """
    if not any(name in os.environ for name in WAIT_SETTINGS):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # GNU's library then never spins, LLVM's blocks at once


def use_free_cores(free: Callable[[], int]) -> None:
    """Compute on as many threads as cores are free, unless the user has said how many; to be called before torch comes.

    Threads work in step, so one that shares its core with another process holds up all others.
    """
    if not any(name in os.environ for name in THREAD_SETTINGS) and "torch" not in sys.modules:
        os.environ["OMP_NUM_THREADS"] = str(free())


def watch_cores() -> Callable[[], int]:
    """Begin to watch how busy the machine is; the function that is returned says how many cores were free since.

    A core is free when it idled, or when this process itself kept it busy. At least one is, and all are where the
    system does not tell.
    """
    before = _idle_seconds()
    start, own = time.perf_counter(), time.process_time()

    def free() -> int:
        after = _idle_seconds()
        seconds = time.perf_counter() - start
        if before is None or after is None or seconds <= 0:
            return cores()
        found = (after - before + time.process_time() - own) / seconds
        return max(1, min(cores(), math.floor(found + SPARE)))

    return free


def _idle_seconds(stat: Path = Path("/proc/stat")) -> float | None:
    """Seconds that the cores of this process have idled since the system started; None where it does not tell."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    wanted = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    rows = [words for words in map(str.split, _lines(stat)) if words and words[0] in wanted]
    try:
        ticks = sum(int(row[4]) + int(row[5]) for row in rows)  # idle, and idle while the disk works
    except (IndexError, ValueError):
        return None
    return ticks / os.sysconf("SC_CLK_TCK") if rows else None


def _lines(path: Path) -> list[str]:
    """The lines of a small text file; none where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def keep_freed_memory() -> None:
    """Let glibc's malloc keep what is freed, where that is the malloc.

    Large tensors are otherwise mapped anew each time, and touching fresh pages takes longer than many an operation on
    them. The process then holds on to the most that it ever used.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)  # never


_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h
