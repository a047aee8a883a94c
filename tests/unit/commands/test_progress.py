"""Long work shows bars on a terminal, and prints a plain line now and then elsewhere."""

from __future__ import annotations

import io
import re
import sys

import pytest

from majolica.commands import progress


def test_a_line_every_so_often(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, 4.0, 11.0, 12.0, 22.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.bar("packing") as report:
        for done in (40, 110, 120, 2200):
            report(done, 5000)
    assert capsys.readouterr().err.splitlines() == [
        "packing: 110 of 5,000, 10/s",
        "packing: 2,200 of 5,000, 100/s",
    ]


def test_a_note_stands_in_the_place_of_the_rate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 10.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.bar("fetching", unit="URL") as report:
        report(400, 1000, "20/s, 75.0% good")
    assert capsys.readouterr().err == "fetching: 400 of 1,000 URLs, 20/s, 75.0% good\n"


def test_lines_tell_when_a_step_ends_and_count_its_time_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.bars() as report:
        for step, total in (("reading", 20), ("writing", 4)):
            report(step, 0, total)
            report(step, total // 2, total)
            now += 2.0
            report(step, total, total)
    assert capsys.readouterr().err.splitlines() == ["reading: 20 of 20, 10/s", "writing: 4 of 4, 2.0/s"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with progress.bars() as report:
        report("reading", 2, 2)
        report("writing", 1000, 4000, "20/s; [red] 3")
    *_, reading, writing = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue()).splitlines()
    assert reading.startswith("reading ") and "━" in reading and "2 of 2" in reading
    assert writing.startswith("writing ") and "1,000 of 4,000, 20/s; [red] 3" in writing
    assert re.search(r"[\d-]:[\d-]{2}:[\d-]{2}", writing)
