"""Text from anywhere, made safe to stand in a page."""

from __future__ import annotations

import html
import re

from majolica.errors import shown

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]+")
_CONTROLS_BUT_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]+")


def escape(text: str, longest: int | None = None) -> str:
    """`text` on one line as HTML, also inside a quoted attribute; `longest` as in `shorten`.

    Bytes of a file name that are not UTF-8 are written as `\\udcXX`, because a page that holds them
    cannot be encoded.
    """
    return html.escape(shown(shorten(text, longest)))


def shorten(text: str, longest: int | None) -> str:
    """`text` on one line, at most `longest` characters of it, with blanks for control characters.

    Dots stand for what is left out.
    """
    read = text if longest is None else text[: 4 * longest]  # cleaning a caption of a megabyte would take long
    line = _CONTROLS.sub(" ", read).strip()
    if longest is not None and (len(line) > longest or len(read) < len(text)):
        return f"{line[:longest].rstrip()} ...".lstrip()
    return line


def escape_lines(text: str) -> str:
    """`text` of several lines as HTML: as `escape`, but ends of lines, tabs and blanks stay."""
    lines = _CONTROLS_BUT_LINES.sub(" ", text)
    return html.escape(lines.encode("utf-8", "backslashreplace").decode())
