"""Off a terminal, long work says a line now and then."""

from __future__ import annotations

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
