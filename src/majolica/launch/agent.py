"""A rank's side of `launch.spawn`: it receives messages from the launcher and notices its end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable

from majolica.distributed.environment import MEETING
from majolica.signals import INTERRUPTED, leave_lost_terminal

STOP, GONE = b"s", b"g"
"""The messages of the launcher.

STOP asks a rank to stop at its next step; GONE says that another rank has ended too early.
"""

PATIENCE = 5.0
"""Seconds that a failing rank waits for the message that another rank failed first."""


class Launcher:
    """The launcher as a rank sees it: a thread reads its messages from standard input.

    If the launcher is killed, the pipe closes. The rank then stops, as if it had been told to.
    """

    def __init__(self, asked: list[int]) -> None:
        """Begin to listen. SIGTERM is appended to `asked` when this rank has to stop."""
        self.asked = asked
        self.joined = False
        """Whether the process group exists. Before that a rank has nothing to save and exits at once."""
        self.another_failed = threading.Event()
        if MEETING in os.environ:
            threading.Thread(target=self._listen, args=(os.dup(sys.stdin.fileno()),), daemon=True).start()

    def wait_for_other_failure(self) -> bool:
        """Return whether another rank failed first, so that this rank's failure is a consequence.

        The message may arrive late, so this waits for it up to `PATIENCE` seconds.
        """
        return MEETING in os.environ and self.another_failed.wait(PATIENCE)

    def _listen(self, pipe: int) -> None:
        while message := os.read(pipe, 1):
            if message == STOP:
                self._stop()
            else:
                self.another_failed.set()
        self._stop()  # first, so that a rank that hears of a failed one knows already that it has to stop
        self.another_failed.set()  # the launcher has gone, so no message can follow

    def _stop(self) -> None:
        leave_lost_terminal()
        if not self.joined:
            os._exit(INTERRUPTED)
        self.asked.append(signal.SIGTERM)


def watch_torchrun() -> Callable[[], bool]:
    """Return a function that tells whether the torchrun that started this process has ended.

    The function always returns False in a process that torchrun has not started.
    """
    parent = os.getppid()
    under_torchrun = "TORCHELASTIC_RUN_ID" in os.environ
    return lambda: under_torchrun and os.getppid() != parent
