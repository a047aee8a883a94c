"""The help of a verb fills its lines: a docstring's line breaks are not kept."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from majolica import cli
from majolica.commands.options import field_docstrings, flow, parse_options

WIDTH = 100


@dataclass(frozen=True)
class Section:
    """Things that belong
    (more or less) together."""

    size: int = 1
    """Lines may begin with anything, such as
    `code` or
    2 digits."""
    bare: int = 2


@dataclass(frozen=True)
class Whole(Section):
    part: Section = field(default_factory=Section)  # a comment is for programmers
    own: int = 3
    """Short.

    A second
    paragraph."""


def broken_lines(text: str) -> list[str]:
    """Lines of help that end although the first word of the next one would have fitted."""
    lines = [line.rstrip() for line in text.splitlines()]
    start = next(i for i, line in enumerate(lines) if line.strip() == "options")
    widest = max(map(len, lines[start:]))
    found = []
    for line, following in pairwise(lines):
        is_help = re.match(" {4,}\\S", following) and (line.startswith(" " * 4) or re.search(r"\S {2,}\S", line))
        if is_help and len(line) + 1 + len(following.split()[0]) <= widest:
            found.append(line)
    return found


@pytest.mark.parametrize("verb", list(cli.VERBS))
def test_help_fills_its_lines(verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    with pytest.raises(SystemExit):
        cli.main([*verb.split(), "--help"])
    assert broken_lines(capsys.readouterr().out) == []


def test_sections_and_fields_have_their_docstrings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_options(Whole(), ["--help"], "prog", "text")
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("such as `code` or 2 digits. (default: 1)") == 2
    assert "Things that belong (more or less) together." in said and "a comment" not in said
    assert parse_options(Whole(), ["--part.size", "5"], "prog", "text") == Whole(part=Section(size=5))


def test_docstrings_of_bases_count_and_paragraphs_stay() -> None:
    found = field_docstrings(Whole)
    assert set(found) == {"size", "own"}
    assert flow(found["size"]) == "Lines may begin with anything, such as `code` or 2 digits."
    assert flow(found["own"]) == "Short.\n\nA second paragraph."
