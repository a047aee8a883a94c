"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY = 10.0
"""Seconds between plain lines."""

Progress = Callable[[int, int], None]
"""(done, total)."""


@contextmanager
def bar(what: str) -> Iterator[Progress]:
    """Give a function `progress(done, total)` that shows on standard error how far the work is."""
    if not sys.stderr.isatty():
        yield lines(what)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Display

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Display(*columns, console=Console(stderr=True)) as display:
        task = display.add_task(what, total=None)
        yield lambda done, total: display.update(task, completed=done, total=total)


def lines(what: str) -> Progress:
    """A line every `EVERY` seconds, for logs."""
    start = last = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= EVERY:
            last = now
            rate = done / (now - start)
            shown = f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
            print(f"{what}: {done:,} of {total:,}, {shown}/s", file=sys.stderr, flush=True)

    return progress
