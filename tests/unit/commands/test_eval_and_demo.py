"""`majolica eval` and `majolica demo` hand on what they are told."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from majolica import cli
from majolica.config.io import save_config
from majolica.recipes import recipe

pytestmark = pytest.mark.usefixtures("fake_pipeline")


def test_eval_and_demo_hand_on_what_they_are_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluation, demo = ModuleType("majolica.eval.run"), ModuleType("majolica.commands.main_job")
    told: list[Any] = []
    evaluation.evaluate = lambda request, say, progress: {"zero_shot_top1": 0.9375, "parameters": 6}  # type: ignore[attr-defined]
    demo.run_demo = lambda **options: told.append(options)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "majolica.eval.run", evaluation)
    monkeypatch.setitem(sys.modules, "majolica.commands.main_job", demo)
    save_config(recipe("nano"), Path("runs/demo/config.yaml"))
    assert cli.main(["eval", "runs/demo"]) == 0
    assert "0.9375" in capsys.readouterr().out
    assert cli.main(["demo", "--minutes", "2.5", "--out", "x"]) == 0
    assert told == [{"minutes": 2.5, "out": Path("x")}]
