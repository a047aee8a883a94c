"""The progress of long work, for every command: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

EVERY = 10.0
"""Seconds between plain lines."""


class Progress(Protocol):
    """Is told how much of the work is done; `note` stands in the place of the rate."""

    def __call__(self, done: int, total: int, note: str = "") -> None: ...


class StepProgress(Protocol):
    """As `Progress`, for work in several steps, which have names."""

    def __call__(self, step: str, done: int, total: int, note: str = "") -> None: ...


@contextmanager
def bar(step: str, unit: str = "") -> Iterator[Progress]:
    """Give a function `progress(done, total)` that shows on standard error how far the work is.

    `unit` is what is counted, in the plural.
    """
    with _open_display(unit, tell_ends=False) as display:
        display.begin(step)
        yield partial(display.show, step)


@contextmanager
def bars() -> Iterator[StepProgress]:
    """As `bar`, for work in several steps: `progress(step, done, total)`; plain lines also tell when a step ends."""
    with _open_display("", tell_ends=True) as display:
        yield display.show


@contextmanager
def _open_display(unit: str, tell_ends: bool) -> Iterator[_Display]:
    if not sys.stderr.isatty():
        yield _Lines(unit, tell_ends)
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
        yield _Bars(unit, rich_progress)


class _Display:
    """What lines and bars share: when each step began, and the words on its state."""

    def __init__(self, unit: str) -> None:
        self._unit = f" {unit}" if unit else ""
        self._begun: dict[str, float] = {}

    def begin(self, step: str) -> None:
        """Count the time of a step from now on."""
        self._begun[step] = time.monotonic()

    def show(self, step: str, done: int, total: int, note: str = "") -> None:
        """Show how far a step is, with its rate or with `note`."""
        if step not in self._begun:
            self.begin(step)
        now = time.monotonic()
        seconds = now - self._begun[step]
        if not note and done and seconds > 0:
            rate = done / seconds
            note = f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
        state = f"{done:,} of {total:,}{self._unit}"
        self._draw(step, done, total, f"{state}, {note}" if note else state, now)

    def _draw(self, step: str, done: int, total: int, state: str, now: float) -> None:
        raise NotImplementedError


class _Lines(_Display):
    """A line every `EVERY` seconds, for logs."""

    def __init__(self, unit: str, tell_ends: bool) -> None:
        super().__init__(unit)
        self._tell_ends, self._last = tell_ends, 0.0

    def begin(self, step: str) -> None:
        super().begin(step)
        self._last = self._begun[step]

    def _draw(self, step: str, done: int, total: int, state: str, now: float) -> None:
        if now - self._last >= EVERY or (self._tell_ends and done == total):
            self._last = now
            print(f"{step}: {state}", file=sys.stderr, flush=True)


class _Bars(_Display):
    """A bar for each step, with the time that it will still take."""

    def __init__(self, unit: str, rich_progress: RichProgress) -> None:
        super().__init__(unit)
        self._rich_progress = rich_progress
        self._tasks: dict[str, TaskID] = {}

    def begin(self, step: str) -> None:
        super().begin(step)
        self._tasks[step] = self._rich_progress.add_task(step, total=None, state="")

    def _draw(self, step: str, done: int, total: int, state: str, now: float) -> None:
        self._rich_progress.update(self._tasks[step], completed=done, total=total, state=state)
