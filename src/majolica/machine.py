"""What this process may use of the machine it runs on."""

from __future__ import annotations

import os


def cores() -> int:
    """Cores that the system lets this process use: what a container or `taskset` leaves of them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
