"""What long work calls to report how far it has come."""

from __future__ import annotations

from collections.abc import Callable

ReportProgress = Callable[[int, int], None]
"""Called with the work that is done and the whole work, both in the unit of the caller: rows, bytes, steps."""


def ignore_progress(done: int, total: int) -> None:
    """Report nothing: the `ReportProgress` of work that nobody watches."""
