"""Messages for the user: errors (one line, exit code 2, no traceback), and notices (work goes on)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")


class UserError(Exception):
    """An error that the user can fix. The message is one line: what is wrong, where, and what to do."""


class Notice(UserWarning):
    """A warning about a result that is produced nevertheless. The message is one line."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Return the error for a `name` that is not in `known`; it suggests the nearest and lists all."""
    names = list(dict.fromkeys(known))
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? Known" if close else "known"
    return UserError(f"unknown {kind} {name!r}: {hint} are {', '.join(names) or 'none'}")


def shorten_text(value: object) -> str:
    """Return a value as text on one line, of at most 60 characters."""
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def shorten_value(value: object) -> str:
    """Return a value as a message shows it: shortened, and a string in quotes, which tell "7" from 7."""
    return shorten_text(repr(value) if isinstance(value, str) else value)


def to_printable(name: object) -> str:
    """A file name in a form that any terminal can print.

    Bytes that are not UTF-8 become \\udcXX, and control characters become escapes such as \\x1b.
    """
    text = _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), str(name))
    return text.encode("utf-8", "backslashreplace").decode()


_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether `error` says that memory ran out, on a GPU or on the CPU: torch raises RuntimeErrors for both."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and says_out_of_memory(str(error)))


def says_out_of_memory(text: str) -> bool:
    """Return whether the message of an error, of whatever library, is that memory ran out."""
    return any(words in text.lower() for words in _NO_MEMORY)
