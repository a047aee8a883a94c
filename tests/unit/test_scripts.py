"""Scripts and benchmarks that take a run answer a mistake as the commands do: in one line, with exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted(
    path
    for folder in ("scripts", "benchmarks")
    for path in (ROOT / folder).glob("*.py")
    if 'add_argument("run"' in path.read_text("utf-8") or 'add_argument("--run"' in path.read_text("utf-8")
)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_mistakes_are_explained(path: Path) -> None:
    assert path.read_text("utf-8").endswith("    sys.exit(run_and_explain(main))\n")


def test_a_run_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    words = [sys.executable, str(ROOT / "scripts" / "paint_palettes.py"), "nope", "out.png"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "majolica: cannot read the configuration nope/config.yaml: No such file or directory\n"
