"""Signals that ask a process to stop: INT (Ctrl-C), TERM and HUP always, and USR1 in training."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
Handler = Callable[[int, FrameType | None], Any]

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""The signals that stop training. HUP: the terminal has closed; USR1: Slurm's time limit is near."""

REPEAT_SECONDS = 1.0
"""A second Ctrl-C counts only after so many seconds, because wrappers such as `uv run` send each one twice."""

INTERRUPTED = 130
"""The exit code of a process that was asked to stop, by any of the signals."""


@contextlib.contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Let TERM and HUP raise KeyboardInterrupt as Ctrl-C does, so that a command cleans up."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            leave_lost_terminal()
        handler = signal.getsignal(signal.SIGINT)  # asyncio installs its own handler
        if not callable(handler):
            raise KeyboardInterrupt
        handler(signal.SIGINT, frame)

    with _handle_signals(interrupt, (signal.SIGTERM, signal.SIGHUP)):
        yield


@contextlib.contextmanager
def collect_signals(patient: bool = False) -> Iterator[list[int]]:
    """Append the signals in `STOPPING` to the list that is yielded, instead of ending the process.

    A second Ctrl-C, at least `REPEAT_SECONDS` after the first signal, raises KeyboardInterrupt,
    unless `patient`.
    """
    asked: list[int] = []
    first = [0.0]

    def note(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            leave_lost_terminal()
        now = time.monotonic()
        if number == signal.SIGINT and not patient and asked and now - first[0] >= REPEAT_SECONDS:
            raise KeyboardInterrupt
        first[0] = first[0] or now
        asked.append(number)

    with _handle_signals(note, STOPPING):
        yield asked


@contextlib.contextmanager
def _handle_signals(handler: Handler, numbers: tuple[signal.Signals, ...]) -> Iterator[None]:
    """Handle the signals `numbers` with `handler`, within this context.

    Signals that this process was started to ignore (by `nohup`, or as a background job) stay ignored.
    """
    before = {number: signal.getsignal(number) for number in numbers}
    handled = [number for number, old in before.items() if old is not signal.SIG_IGN]
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        handled = []
    for number in handled:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, before[number] or signal.SIG_DFL)


def leave_lost_terminal() -> None:
    """Redirect output to /dev/null if its terminal has closed, so that printing does not raise an error."""
    for stream in (1, 2):
        try:
            os.write(stream, b"")
        except OSError:
            with contextlib.suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream)
                os.close(nowhere)


def run_in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Return `function(...)`, run on a thread, so that this thread can handle signals meanwhile.

    It is for library calls that take minutes and release the GIL. After KeyboardInterrupt the thread
    is not waited for, and ends with the process.
    """
    results: list[R] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(function(*args, **kwargs))
        except BaseException as error:
            errors.append(error)
        finished.set()

    finished = threading.Event()  # Python 3.11: an interrupted `Thread.join` marks the thread as ended
    threading.Thread(target=work, daemon=True).start()
    try:
        while not finished.wait(0.2):
            pass
    except KeyboardInterrupt:
        atexit.register(_exit_unless_finished, finished)
        raise
    if errors:
        raise errors[0]
    return results[0]


def exit_at_once(code: int) -> None:
    """Write out what was printed and exit, without the shutdown of Python.

    A thread of a library that needs Python during the shutdown would abort the process.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _exit_unless_finished(finished: threading.Event) -> None:
    """Exit at once if the library call is still running, because it may crash while Python shuts down."""
    if not finished.is_set():
        exit_at_once(INTERRUPTED)
