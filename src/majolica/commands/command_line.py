"""Reading the words of a command line: tyro makes the parser, and its complaints become one line in our words.

Only what tyro makes public is relied on: the words that it does not know, the text of its complaints, and its help.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import inspect
import io
import itertools
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import tyro

from majolica.errors import UserError, shorten_text

T = TypeVar("T")
_IN_OUR_WORDS = (
    (r"Error parsing (.+?): invalid literal for int.+?: (.+)", r"\1 takes a whole number, not \2"),
    (r"Error parsing (.+?): could not convert string to float: (.+)", r"\1 takes a number, not \2"),
    (r"Error parsing (.+?): no type matching .+?INT could .+? from \[(.+)\]\.", r"\1 takes a whole number, not \2"),
    (r"Error parsing (.+?): no type matching .+?FLOAT could .+? from \[(.+)\]\.", r"\1 takes a number, not \2"),
    (r"Error parsing (.+?): Could not find valid parse for arguments: \[(.+)\]", r"\1 does not take \2"),
    (r"Error parsing (.+?): (.+?)\.?", r"\1 cannot be read: \2"),
    (r"invalid choice (.+) for argument '(.+?)'\. Expected one of \((.+?),?\)\.", r"\2 takes one of \3, not \1"),
    (r"Missing value for argument '(.+)'\. Expected \d+ values\.", r"\1 has no value: give one after it"),
)
"""Patterns of tyro's complaints, and what is said instead; other complaints stay as they are."""


def call_verb(verb: Callable[..., None], args: list[str], prog: str) -> None:
    """Call the function of a verb with what its words say. Raises UserError for words that it does not take."""

    @functools.wraps(verb)
    def bind(*values: Any, **options: Any) -> Callable[[], None]:
        return functools.partial(verb, *values, **options)

    parse_words(bind, args, prog)()


def parse_words(shape: Callable[..., T], args: Sequence[str], prog: str, **settings: Any) -> T:
    """What tyro makes of `args` by the signature of `shape`.

    Raises UserError, in one line, for words that it cannot read, and SystemExit once the help has been printed.
    """
    said = io.StringIO()
    unknown: Sequence[str] = ()
    try:
        with contextlib.redirect_stderr(said):
            made, unknown = tyro.cli(shape, args=args, prog=prog, return_unknown_args=True, **settings)
    except SystemExit as ended:
        if not ended.code:
            raise
        # After an option that it does not know, tyro may complain of what follows.
        options = _list_options(shape, prog, settings)
        unknown = [word for word in args if word.startswith("--") and _name(word) not in ("--", *options)]
        if not unknown:
            raise UserError(f"{_translate(said.getvalue())}; see `{_command(prog)} --help`") from None
    if unknown:
        raise UserError(_explain_unknown(unknown[0], _list_options(shape, prog, settings), shape, _command(prog)))
    sys.stderr.write(said.getvalue())
    found: T = made
    return found


def _command(prog: str) -> str:
    """The words of a verb, without those that stand for what it takes."""
    return " ".join(word for word in prog.split() if word.islower())


def _translate(box: str) -> str:
    """The complaint in a box that tyro draws, without its title and its help, as one line."""
    rows = [row.strip(" │") for row in re.sub(r"\x1b\[[\d;]*m", "", box).splitlines()[1:]]
    text = " ".join(itertools.takewhile(_has_words, itertools.dropwhile(lambda row: not _has_words(row), rows)))
    for pattern, words in _IN_OUR_WORDS:
        if found := re.fullmatch(pattern, text):
            return found.expand(words)
    return text or "the options cannot be read"


def _has_words(row: str) -> bool:
    """Whether a row of a box is more than a line that is drawn."""
    return any(character.isalnum() for character in row)


def _list_options(shape: Callable[..., Any], prog: str, settings: dict[str, Any]) -> list[str]:
    """The options that the help of a verb lists."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        tyro.cli(shape, args=["--help"], prog=prog, **settings)
    rows = [row[1:].strip() for row in shown.getvalue().splitlines() if re.match(r"\W -", row)]
    return [option for row in rows for option in re.findall(r"(?<!\S)--?[a-zA-Z][\w.-]*", row.split("  ")[0])]


def _explain_unknown(word: str, options: list[str], shape: Callable[..., Any], command: str) -> str:
    """What is wrong with a word that a verb does not take, and what to do."""
    kinds = inspect.signature(shape).parameters.values()
    place = next((parameter.name for parameter in kinds if parameter.kind is parameter.POSITIONAL_ONLY), "")
    if re.match(r"--?[a-zA-Z]", word):
        option = _name(word)
        if (name := option.strip("-")) in (place, place.removesuffix("s")):
            return f"{option} is no option: give the {name} without it, as in `{command} {name.upper()}`"
        near = " or ".join(_find_nearest(option, options))
        hint = f"did you mean {near}? See" if near else "see"
        return f"`{command}` has no option {option}: {hint} `{command} --help`"
    shown = shorten_text(word)
    if "=" in word and "--set" in options:
        return f"{shown} stands alone: properties follow --set, as in --set {shown}"
    if place.endswith("s"):
        return f"{shown!r} stands after an option: give all {place} together, before the options"
    return f"{shown!r} is a word too many: see `{command} --help`, and put quotes around what has spaces"


def _name(word: str) -> str:
    """The option in a word of the command line, as the help spells it."""
    return word.partition("=")[0].replace("_", "-")


def _find_nearest(option: str, options: list[str]) -> list[str]:
    """At most three options that have all words of `option` (--lr: --optim.lr), or else the one spelled most alike."""
    fitting = [known for known in options if _split(option) <= _split(known)]
    fitting.sort(key=lambda known: len(_split(known)))
    return fitting[:3] or difflib.get_close_matches(option, options, n=1)


def _split(option: str) -> set[str]:
    """The words of an option, in the singular."""
    return {word.removesuffix("s") for word in re.split(r"[.-]+", option.strip("-"))}
