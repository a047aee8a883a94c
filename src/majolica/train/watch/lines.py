"""Appends lines to a file. Lines that a full disk refuses are kept and written later."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from pathlib import Path

from majolica.errors import UserError
from majolica.files import append_whole, write_atomic
from majolica.plurals import counted

MOST_WAITING = 10_000
"""Lines kept in memory at most; beyond this the oldest are lost."""


class Lines:
    """Appends lines to a file.

    If they cannot be written, this is reported once, and the lines are kept for later.
    """

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.path, self.say = path, say
        self.waiting: deque[str] = deque(maxlen=MOST_WAITING)
        self.refused = False

    def write(self, line: str) -> None:
        """Append the waiting lines, then `line`."""
        self.waiting.append(line + "\n")
        self.flush(new=1)

    def flush(self, new: int = 0) -> None:
        """Write the waiting lines, if the disk accepts them; the last `new` of them have not waited yet."""
        if not self.waiting:
            return
        try:
            append_whole(self.path, "".join(self.waiting).encode())
        except OSError as error:
            if not self.refused:
                self.say(f"{self.path} cannot be written ({error.strerror or error}): its lines wait, training goes on")
            self.refused = True
            return
        if self.refused:
            self.say(f"{self.path} is written again, with the {counted(len(self.waiting) - new, 'line')} that waited")
        self.refused = False
        self.waiting.clear()


def drop_after(path: Path, step: int) -> None:
    """Remove the lines of a log after `step`, so that a resumed run does not log a step twice.

    Raises OSError or UserError if the file cannot be written. Lines at the end of the file can be
    removed even on a full disk.
    """
    if not path.exists():
        return
    content = path.read_bytes()
    kept = b"".join(line + b"\n" for line in content.split(b"\n") if _read_step(line) <= step)
    if kept == content:
        return
    if content.startswith(kept):
        with path.open("r+b") as file:
            file.truncate(len(kept))
    else:
        write_atomic(path, kept)


def _read_step(line: bytes) -> float:
    """Return the step of a line of the log; infinity for an incomplete line of a killed process."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


def cut_back(path: Path, step: int, say: Callable[[str], None]) -> None:
    """Call `drop_after`, and report a failure instead of raising it: a log must not end a run."""
    try:
        drop_after(path, step)
    except (OSError, UserError) as error:
        say(f"{path} keeps lines after step {step}, where this run goes on ({error})")
