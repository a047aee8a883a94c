"""What the environment tells a process: whether it is one rank of several, and what started it."""

from __future__ import annotations

import os

MEETING = "MAJOLICA_MEETING"
"""Environment variable with the path of the ranks' rendezvous file. Only `launch.spawn` sets it."""


def is_rank() -> bool:
    """Whether this process was started as one rank of several, for example by torchrun."""
    return "LOCAL_RANK" in os.environ


def has_launcher() -> bool:
    """Whether `launch.spawn` started this rank.

    If so, the launcher has prepared the run folder and holds its lock.
    """
    return MEETING in os.environ
