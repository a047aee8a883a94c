"""What this process may use of the machine it runs on."""

from __future__ import annotations

import ctypes
import os


def cores() -> int:
    """Cores that the system lets this process use: what a container or `taskset` leaves of them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
