"""What is the user's business: mistakes (a clear line, exit code 2, no traceback), notices (a line; work goes on)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")


class UserError(Exception):
    """Bad input. The message is one line: what is wrong, where, and what to do."""


class Notice(UserWarning):
    """What the user should know of a result that is made all the same: one line, a warning in Python."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not in `known`: suggests the nearest, lists all."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? Known" if close else "known"
    return UserError(f"unknown {kind} {name!r}: {hint} are {', '.join(names) or 'none'}")


def to_printable(name: object) -> str:
    """A name of a file as it can be printed anywhere: bytes that are not UTF-8 become \\udcXX, and controls \\x1b."""
    text = _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), str(name))
    return text.encode("utf-8", "backslashreplace").decode()
