"""A command line that is refused."""

from __future__ import annotations

import pytest

from majolica import cli


def read_refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Standard error of a command line that must end with code 2, on one line."""
    assert cli.main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("majolica: ")
    assert captured.err.count("\n") == 1
    return captured.err
