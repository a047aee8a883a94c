"""What the library warns of, as lines on standard error."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from majolica.errors import Notice


@contextmanager
def print_notices() -> Iterator[None]:
    """Print each `Notice` once, as a line of its own; other warnings are shown as ever."""
    said: set[str] = set()
    with warnings.catch_warnings():  # which also gives `showwarning` back
        warnings.simplefilter("always", Notice)
        show_others = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if not issubclass(category, Notice):
                show_others(message, category, filename, lineno, file, line)
            elif str(message) not in said:
                said.add(str(message))
                print(f"majolica: note: {message}", file=sys.stderr, flush=True)

        warnings.showwarning = show
        yield
