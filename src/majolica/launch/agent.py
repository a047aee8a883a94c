"""A rank's side of `launch.spawn`: what the process that started it says, and whether it is still there."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable

from majolica.distributed.environment import MEETING
from majolica.signals import INTERRUPTED, leave_lost_terminal

STOP, GONE = b"s", b"g"
"""Stop at the next step; another rank has ended before its time."""

PATIENCE = 5.0
"""Seconds that a rank whose work fails waits to hear that another failed first."""


class Launcher:
    """Hears the launcher on standard input, on a thread: its words, and the silence of one that was killed."""

    def __init__(self, asked: list[int]) -> None:
        """`asked` is told SIGTERM when to stop."""
        self.asked = asked
        self.joined = False
        """Whether the ranks have found each other: before that nothing can be lost, and no vote can be held."""
        self.another_failed = threading.Event()
        if MEETING in os.environ:
            threading.Thread(target=self._listen, args=(os.dup(sys.stdin.fileno()),), daemon=True).start()

    def failed_first(self) -> bool:
        """Whether another rank failed first, so that what fails here follows from it; waits a little for the word."""
        return MEETING in os.environ and self.another_failed.wait(PATIENCE)

    def _listen(self, pipe: int) -> None:
        while word := os.read(pipe, 1):
            if word == STOP:
                self._stop()
            else:
                self.another_failed.set()
        self.another_failed.set()  # nobody is left to say so
        self._stop()

    def _stop(self) -> None:
        leave_lost_terminal()
        if not self.joined:
            os._exit(INTERRUPTED)
        self.asked.append(signal.SIGTERM)


def watch_torchrun() -> Callable[[], bool]:
    """Return a function that tells whether the torchrun that started this process has gone; no other parent counts."""
    parent = os.getppid()
    under_torchrun = "TORCHELASTIC_RUN_ID" in os.environ
    return lambda: under_torchrun and os.getppid() != parent
