"""What the environment of a process says of the others: whether it is one rank of several, and who started it."""

from __future__ import annotations

import os

MEETING = "MAJOLICA_MEETING"
"""Variable that names the file in which the ranks of one machine find each other; set by `launch.spawn` alone."""


def launched() -> bool:
    """Whether this process is one rank of several: started by `launch.spawn`, torchrun or a scheduler."""
    return "LOCAL_RANK" in os.environ


def has_launcher() -> bool:
    """Whether `launch.spawn` started this rank: then it has prepared the run folder and holds it."""
    return MEETING in os.environ
