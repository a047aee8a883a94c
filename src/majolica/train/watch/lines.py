"""Lines at the end of a file, of which a full disk loses none: they wait until there is room again."""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Callable
from pathlib import Path

from majolica.errors import UserError
from majolica.files import write_atomic

MOST_WAITING = 10_000
"""Lines that wait at most; the oldest go first."""


class Lines:
    """Appends lines to a file. What the disk refuses is said once and written with a later line that it takes."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.path, self.say = path, say
        self.waiting: deque[str] = deque(maxlen=MOST_WAITING)
        self.refused = False

    def write(self, line: str) -> None:
        """Append `line`, and before it those that wait."""
        self.waiting.append(line + "\n")
        self.flush()

    def flush(self) -> None:
        """Write the lines that wait, if the disk takes them."""
        if not self.waiting:
            return
        try:
            append(self.path, "".join(self.waiting).encode())
        except OSError as error:
            if not self.refused:
                self.say(f"{self.path} cannot be written ({error.strerror or error}): its lines wait, training goes on")
            self.refused = True
            return
        if self.refused:
            self.say(f"{self.path} is written again, with the {len(self.waiting) - 1} lines that waited")
        self.refused = False
        self.waiting.clear()


def append(path: Path, content: bytes) -> None:
    """Append all of `content` to a file, or none of it: then OSError says why."""
    with path.open("ab", buffering=0) as file:
        end = file.tell()
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(end)
            raise


def drop_after(path: Path, step: int) -> None:
    """Cut a log back to `step`, so that a resumed run's log reads as if it had never stopped.

    Raises OSError or UserError where the disk refuses; lines at the end are dropped on a full disk too.
    """
    if not path.exists():
        return
    content = path.read_bytes()
    kept = b"".join(line + b"\n" for line in content.split(b"\n") if _step_of(line) <= step)
    if kept == content:
        return
    if content.startswith(kept):
        with path.open("r+b") as file:
            file.truncate(len(kept))
    else:
        write_atomic(path, kept)


def _step_of(line: bytes) -> float:
    """The step of a line of the log; infinity for the half line of a process that was killed."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


def cut_back(path: Path, step: int, say: Callable[[str], None]) -> None:
    """`drop_after`, which says so where it cannot be done: a log never ends a run."""
    try:
        drop_after(path, step)
    except (OSError, UserError) as error:
        say(f"{path} keeps lines after step {step}, where this run goes on ({error})")
