"""Tasks for the tests of `run_tasks`: in a module of their own, for workers import them by name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from majolica.errors import UserError


def square(x: int) -> int:
    return x * x


def refuse(x: int) -> int:
    raise UserError(f"{x} is refused")


def dies_once(folder: Path, x: int) -> int:
    """Its process is killed the first time that 3 is asked for."""
    if x == 3 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x * x


def always_dies(folder: Path, x: int) -> int:
    if x == 3:
        (folder / f"{time.time_ns()}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x * x


def where(x: int) -> str:
    """The Ray node that does it."""
    import ray

    time.sleep(0.3)
    return str(ray.get_runtime_context().get_node_id())


def sleeps(folder: Path, x: int) -> int:
    """A task that takes for ever, and tells who does it."""
    (folder / f"pid-{os.getpid()}").touch()
    time.sleep(600)
    return x
