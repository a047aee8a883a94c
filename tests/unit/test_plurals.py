"""One picture is no "1 pictures": whoever prints a count with a noun leaves the noun's form to one helper."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import majolica
from majolica.plurals import counted, plural

SOURCES = Path(majolica.__file__).parent
NOUNS = "tars?|rows|pictures|captions|samples|shards|files|indexes|URLs|tensors|prompts|tokens|values|processes|heads"
COUNTED = re.compile(rf" (?:(?:whole|unseen|painted|input|further) )?(?:{NOUNS})\b(?!/)")
"""What follows a number: one of the things that Majolica counts."""


def test_one_thing_is_singular() -> None:
    assert [counted(number, "tar") for number in (0, 1, 2, 1000)] == ["0 tars", "1 tar", "2 tars", "1,000 tars"]
    assert [counted(number, "index", "indexes") for number in (1, 2)] == ["1 index", "2 indexes"]
    assert [plural(number, "is", "are") for number in (0, 1, 2)] == ["are", "is", "are"]


def is_count(value: ast.FormattedValue) -> bool:
    """Whether a value in an f-string may be a whole number that is one: no share, no constant, no text."""
    form = ast.unparse(value.format_spec) if value.format_spec else ""
    constant = isinstance(value.value, ast.Name) and value.value.id.isupper()
    ready = isinstance(value.value, ast.Call) and isinstance(value.value.func, ast.Name)
    return not (constant or "%" in form or "." in form or (ready and ast.unparse(value.value.func) != "len"))


def bare_counts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and noun of each count in an f-string whose noun has one form for all numbers."""
    for node in ast.walk(tree):
        for value, text in pairwise(node.values if isinstance(node, ast.JoinedStr) else ()):
            if isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant) and is_count(value):
                yield from ((node.lineno, found[0]) for found in [COUNTED.match(str(text.value))] if found)


def test_nouns_of_counts_follow_the_number() -> None:
    found = [
        f"{path.relative_to(SOURCES)}:{line}:{noun}"
        for path in sorted(SOURCES.rglob("*.py"))
        for line, noun in bare_counts(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_a_bare_count_is_found() -> None:
    bare = ["{n:,} tars", "{len(x)} whole samples"]
    good = ["{share:.1%} of captions", "{MOST} rows", "{counted(n, 'row')} of rows", "{rate:.0f} samples/s"]
    found = [list(bare_counts(ast.parse(f'f"{text}"'))) for text in bare + good]
    assert found == [[(1, " tars")], [(1, " whole samples")], [], [], [], []]
