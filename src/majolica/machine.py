"""The cores and the memory of the machine that this process may use."""

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
"""Environment variables for how OpenMP threads wait: of the standard, of GNU and of LLVM."""
THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
SPARE = 0.25
"""A core counts as free if at most this share of its time is in use."""


def cores() -> int:
    """The number of cores that this process may use, as limited by `taskset` and by control groups."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(count, cpu_quota())))


def cpu_quota(root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> float:
    """The CPU quota of this process's control groups, in cores; infinite if there is no limit."""
    quotas = [math.inf]
    for line in _read_lines(membership):
        _, controllers, place = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        for mount in (root, root / "cpu", root / "cpu,cpuacct"):
            folder = mount / place.lstrip("/")
            for group in (folder, *folder.parents):  # the smallest limit of all parents applies
                quotas.append(_quota_of(group))
                if group == mount:
                    break
    return min(quotas)


def _quota_of(group: Path) -> float:
    """The quota of one control group in cores: `cpu.max` in version 2, two files in version 1."""
    words = " ".join(_read_lines(group / "cpu.max")).split()
    if not words:
        words = [*_read_lines(group / "cpu.cfs_quota_us"), *_read_lines(group / "cpu.cfs_period_us")]
    with suppress(ValueError):
        quota, period = map(float, words)
        return quota / period if quota > 0 and period > 0 else math.inf
    return math.inf  # the quota is "max", or the files do not exist


def free_memory(
    meminfo: Path = Path("/proc/meminfo"),
    root: Path = Path("/sys/fs/cgroup"),
    membership: Path = Path("/proc/self/cgroup"),
) -> int | None:
    """The bytes of memory that this process can still have, by the system and by its control groups (version 2).

    None where the system does not say it.
    """
    found = [int(words[1]) * 1024 for words in map(str.split, _read_lines(meminfo)) if words[:1] == ["MemAvailable:"]]
    for line in _read_lines(membership):
        folder = root / line.split(":", 2)[2].lstrip("/")
        for group in (folder, *folder.parents):
            if not group.is_relative_to(root):
                break
            with suppress(ValueError):  # the limit is "max", or the files do not exist
                limit, used = (int("".join(_read_lines(group / f"memory.{name}"))) for name in ("max", "current"))
                words = [line.split() for line in _read_lines(group / "memory.stat")]
                files = sum(int(count) for name, count in words if name in ("inactive_file", "active_file"))
                found.append(max(0, limit - used + files))  # the page cache of files can go
    return min(found, default=None)


def let_threads_sleep() -> None:
    """Let OpenMP threads that wait for one another sleep instead of spinning.

    Call it before torch is imported. A spinning thread occupies the core that the thread it waits for
    may need: beside one busy process, painting a picture took ten times as long. Settings of the user
    are kept. Child processes inherit the setting.
    """
    if not any(name in os.environ for name in WAIT_SETTINGS):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # with GNU's and LLVM's library, threads then never spin


def use_free_cores(free: Callable[[], int]) -> None:
    """Set the number of OpenMP threads to the number of free cores, unless the user has set it.

    Call it before torch is imported. All threads wait for the slowest one, so a thread that shares
    its core with another process delays all others.
    """
    if not any(name in os.environ for name in THREAD_SETTINGS) and "torch" not in sys.modules:
        os.environ["OMP_NUM_THREADS"] = str(free())


def watch_cores() -> Callable[[], int]:
    """Begin to measure how busy the machine is; return a function that counts the cores free since then.

    A core is free if it was idle or was used by this process itself. The count is at least one, and it
    is `cores()` if the system does not tell the idle time.
    """
    before = _idle_seconds()
    start, own = time.perf_counter(), time.process_time()

    def free() -> int:
        after = _idle_seconds()
        seconds = time.perf_counter() - start
        if before is None or after is None or seconds <= 0:
            return cores()
        free_cores = (after - before + time.process_time() - own) / seconds
        return max(1, min(cores(), math.floor(free_cores + SPARE)))

    return free


def _idle_seconds(stat: Path = Path("/proc/stat")) -> float | None:
    """Seconds that the cores of this process have been idle since boot, summed; None if unknown."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    wanted = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    rows = [words for words in map(str.split, _read_lines(stat)) if words and words[0] in wanted]
    try:
        ticks = sum(int(row[4]) + int(row[5]) for row in rows)  # idle and iowait
    except (IndexError, ValueError):
        return None
    return ticks / os.sysconf("SC_CLK_TCK") if rows else None


def _read_lines(path: Path) -> list[str]:
    """The lines of a small text file; none if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def keep_freed_memory() -> None:
    """Let glibc's malloc keep freed memory instead of returning it to the system.

    Otherwise each large tensor is mapped anew, and the page faults take longer than many operations on
    the tensor. In exchange, the memory of the process never shrinks. Without glibc this does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)  # never trim


_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # from malloc.h
