"""Words that come from a terminal and lines that go to it, whatever its width and its encoding."""

from __future__ import annotations

import codecs
import os
import shutil
import sys
from collections.abc import Sequence

from majolica.errors import UserError

NARROWEST, WIDEST = 40, 400
"""Columns that help is laid out in; in three of them its layout never ends."""
_LENIENT = "majolica-lenient"


def keep_width_sane() -> None:
    """Set COLUMNS where it, or the terminal itself, says something that help cannot be laid out in."""
    said = os.environ.get("COLUMNS", "")
    width = shutil.get_terminal_size().columns
    if not NARROWEST <= width <= WIDEST or (said and said != str(width)):
        os.environ["COLUMNS"] = str(min(max(width, NARROWEST), WIDEST))


def print_status(text: str) -> None:
    """Print a line on how work goes on to standard error, at once."""
    print(text, file=sys.stderr, flush=True)


def print_any_text() -> None:
    """Let standard output and error take every text: what the encoding lacks is escaped, never an error.

    Bytes of file names that are no text are printed as they are. An ASCII terminal, as LC_ALL=C makes one, gets UTF-8.
    """
    codecs.register_error(_LENIENT, _escape)
    for stream in (sys.stdout, sys.stderr):
        encoding, reconfigure = getattr(stream, "encoding", None), getattr(stream, "reconfigure", None)
        if encoding and reconfigure:
            ascii_only = codecs.lookup(encoding).name == "ascii"
            reconfigure(encoding="utf-8" if ascii_only else encoding, errors=_LENIENT)


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    """A byte that came in as a surrogate goes out as that byte, any other character as a backslash escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return character.encode("ascii", "backslashreplace").decode("ascii"), error.start + 1


def read_words(words: Sequence[str], kind: str) -> tuple[str, ...]:
    """Words of the command line as the UTF-8 texts that they are, in whatever locale Python read them.

    In an ASCII locale the bytes of an umlaut arrive as surrogates, which no tokenizer knows. Raises UserError for
    bytes that are no UTF-8; `kind` says what the words are, as in "label". Paths need no such reading: the system
    gets back the very bytes that it gave.
    """
    texts = []
    for word in words:
        try:
            texts.append(os.fsencode(word).decode("utf-8") if _has_surrogates(word) else word)
        except UnicodeError:
            shown = word.encode("ascii", "backslashreplace").decode("ascii")
            raise UserError(f"the {kind} {shown!r} is not UTF-8 text: give it in UTF-8") from None
    return tuple(texts)


def _has_surrogates(word: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in word)
