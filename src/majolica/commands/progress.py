"""Shows the progress of long work, for every command: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol

from majolica.plurals import counted

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

EVERY = 10.0
"""Seconds between plain lines."""


class Progress(Protocol):
    """Is called with how much of the work is done; `note` is shown in place of the rate."""

    def __call__(self, done: int, total: int, note: str = "") -> None: ...


class StepProgress(Protocol):
    """A `Progress` for work in several steps, which have names."""

    def __call__(self, step: str, done: int, total: int, note: str = "") -> None: ...


@contextmanager
def bar(step: str, unit: str = "") -> Iterator[Progress]:
    """Give a function `progress(done, total)` that shows on standard error how far the work is.

    `unit` is what is counted, in the singular.
    """
    with _open_display(tell_ends=False) as display:
        steps = _Steps(unit, display)
        steps.begin(step)
        yield partial(steps.show, step)


@contextmanager
def bars() -> Iterator[StepProgress]:
    """Give a function `progress(step, done, total)`, as `bar` does, for work in several steps.

    Plain lines also say when a step ends.
    """
    with _open_display(tell_ends=True) as display:
        yield _Steps("", display).show


@contextmanager
def _open_display(tell_ends: bool) -> Iterator[_Display]:
    if not sys.stderr.isatty():
        yield _Lines(tell_ends)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress
    from rich.table import Column

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TimeRemainingColumn(),
        TextColumn("{task.fields[state]}", markup=False, table_column=Column(no_wrap=False)),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as rich_progress:
        yield _Bars(rich_progress)


class _Display(Protocol):
    """Shows the state of steps: as lines or as bars. Times are those of `time.monotonic`."""

    def begin(self, step: str, now: float) -> None:
        """Prepare for a step that begins now."""

    def show(self, step: str, done: int, total: int, state: str, now: float) -> None:
        """Show how far a step is; `state` describes it."""


class _Steps:
    """Measures how long each step has taken, and describes its state for a display."""

    def __init__(self, unit: str, display: _Display) -> None:
        self._unit = unit
        self._display = display
        self._begun: dict[str, float] = {}

    def begin(self, step: str) -> None:
        """Count the time of a step from now on."""
        self._begun[step] = now = time.monotonic()
        self._display.begin(step, now)

    def show(self, step: str, done: int, total: int, note: str = "") -> None:
        """Show how far a step is, with its rate or with `note`."""
        if step not in self._begun:
            self.begin(step)
        now = time.monotonic()
        seconds = now - self._begun[step]
        if not note and done and seconds > 0:
            rate = done / seconds
            note = f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
        whole = counted(total, self._unit) if self._unit else f"{total:,}"
        state = f"{done:,} of {whole}"
        self._display.show(step, done, total, f"{state}, {note}" if note else state, now)


class _Lines:
    """Prints a line every `EVERY` seconds, for logs."""

    def __init__(self, tell_ends: bool) -> None:
        self._tell_ends, self._last = tell_ends, 0.0

    def begin(self, step: str, now: float) -> None:
        self._last = now

    def show(self, step: str, done: int, total: int, state: str, now: float) -> None:
        if now - self._last >= EVERY or (self._tell_ends and done == total):
            self._last = now
            print(f"{step}: {state}", file=sys.stderr, flush=True)


class _Bars:
    """Shows a bar for each step, with the time that it will still take."""

    def __init__(self, rich_progress: RichProgress) -> None:
        self._rich_progress = rich_progress
        self._tasks: dict[str, TaskID] = {}

    def begin(self, step: str, now: float) -> None:
        self._tasks[step] = self._rich_progress.add_task(step, total=None, state="")

    def show(self, step: str, done: int, total: int, state: str, now: float) -> None:
        self._rich_progress.update(self._tasks[step], completed=done, total=total, state=state)
