"""What a signal asks of a process: to stop. Ctrl-C, TERM and HUP mean the same everywhere, and USR1 in training."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
Handler = Callable[[int, FrameType | None], Any]

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""What training stops for. HUP: the terminal is gone; USR1: Slurm's word before the time is up."""

AGAIN = 1.0
"""Seconds after which a second Ctrl-C is a second wish; wrappers such as `uv run` hand one Ctrl-C on twice."""

INTERRUPTED = 130
"""The exit code of whatever was asked to stop, by whichever signal."""


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """TERM and HUP raise KeyboardInterrupt as Ctrl-C does, so that a command cleans up after itself."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            leave_lost_terminal()
        handler = signal.getsignal(signal.SIGINT)  # asyncio has one of its own
        if not callable(handler):
            raise KeyboardInterrupt
        handler(signal.SIGINT, frame)

    with _handling(interrupt, (signal.SIGTERM, signal.SIGHUP)):
        yield


@contextlib.contextmanager
def stopping(patient: bool = False) -> Iterator[list[int]]:
    """Collect the signals that ask to stop instead of dying of them.

    A second Ctrl-C, at least `AGAIN` seconds after the first signal, raises KeyboardInterrupt, unless `patient`.
    """
    asked: list[int] = []
    first = [0.0]

    def note(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            leave_lost_terminal()
        now = time.monotonic()
        if number == signal.SIGINT and not patient and asked and now - first[0] >= AGAIN:
            raise KeyboardInterrupt
        first[0] = first[0] or now
        asked.append(number)

    with _handling(note, STOPPING):
        yield asked


@contextlib.contextmanager
def _handling(handler: Handler, numbers: tuple[signal.Signals, ...]) -> Iterator[None]:
    """Handle signals, but those that the caller of this process has it ignore (`nohup`, a job in the background)."""
    before = {number: signal.getsignal(number) for number in numbers}
    heard = [number for number, old in before.items() if old is not signal.SIG_IGN]
    if threading.current_thread() is not threading.main_thread():  # Python hears signals in the main thread alone
        heard = []
    for number in heard:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number] or signal.SIG_DFL)


def leave_lost_terminal() -> None:
    """Send output to nowhere if the terminal it went to is gone: a line that cannot be shown must end nothing."""
    for stream in (1, 2):
        try:
            os.write(stream, b"")
        except OSError:
            with contextlib.suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream)
                os.close(nowhere)


def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Return `function(...)`, run on a thread, so that this one hears signals while a library works for minutes.

    The library must let other threads run. After KeyboardInterrupt the thread is left alone and dies with the process.
    """
    results: list[R] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(function(*args, **kwargs))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
    if errors:
        raise errors[0]
    return results[0]
