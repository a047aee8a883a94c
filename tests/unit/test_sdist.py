"""The source distribution holds what a checkout holds, so that a packager can build, test and measure from it."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALWAYS = {".gitignore", "pyproject.toml"}
"""What hatchling puts into every source distribution."""


def included() -> set[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    patterns: list[str] = settings["targets"]["sdist"]["include"]
    assert all(pattern.startswith("/") for pattern in patterns), "any folder of that name would be meant"
    return {pattern.removeprefix("/") for pattern in patterns}


def test_what_is_included_is_there() -> None:
    assert {name for name in included() if not (ROOT / name).exists()} == set()


def test_all_that_is_tracked_is_included() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {path.split("/")[0] for path in listed.stdout.splitlines()} == included() | ALWAYS
