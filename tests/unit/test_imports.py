"""Arrows between the parts point one way, and the light parts stay light."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import majolica

SOURCE = Path(majolica.__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SOURCE.parent)}

# What each part may import. All may import FOR_ALL, and the TOP may import all.
ALLOWED = {
    "errors": set(),
    "files": set(),
    "machine": set(),
    "lock": set(),
    "signals": set(),
    "device": set(),
    "config": set(),
    "recipes": {"config"},
    "text": {"config"},
    "data": {"config", "text"},
    "models": {"config"},
    "objectives": {"config", "models"},
    "distributed": {"config", "models", "objectives"},
    "sampling": {"config", "data", "text", "models"},
    "eval": {"config", "data", "text", "models", "sampling"},
    "plan": {"config", "models", "objectives", "distributed", "train"},
    "train": {"config", "data", "text", "models", "objectives", "distributed", "sampling"},
}
TOP = {"cli", "commands", "demo", "__main__"}
FOR_ALL = {"errors", "files", "lock", "machine", "signals", "device", "__version__"}
LIGHT = ("cli.py", "errors.py", "files.py", "lock.py", "machine.py", "signals.py", "config", "recipes")
HEAVY = {"torch", "numpy", "safetensors", "tensorboard", "matplotlib", "PIL"}


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def part(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[str]:
    """Full names of everything imported in a syntax tree, at whatever depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def broken_arrows(path: Path) -> list[str]:
    """Imports of `path` that go against the arrows."""
    own = part(path)
    allowed = ALLOWED.get(own, set()) | FOR_ALL | {own}
    names = (name.split(".") for name in imported(ast.parse(path.read_text(encoding="utf-8"))))
    return [".".join(n) for n in names if n[0] == "majolica" and len(n) > 1 and n[1] not in allowed]


def test_every_part_has_a_place() -> None:
    assert {part(path) for path in modules()} <= set(ALLOWED) | TOP | {"__init__"}


def test_the_table_itself_has_no_cycle() -> None:
    placed: set[str] = set()
    while left := {name: needs for name, needs in ALLOWED.items() if name not in placed}:
        ready = {name for name, needs in left.items() if needs <= placed}
        assert ready, f"cycle among {sorted(left)}"
        placed |= ready


@pytest.mark.parametrize("path", [p for p in modules() if part(p) in ALLOWED], ids=lambda p: p.stem)
def test_arrows_point_one_way(path: Path) -> None:
    assert broken_arrows(path) == []


def test_a_broken_arrow_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "SOURCE", tmp_path)
    path = tmp_path / "models" / "layers.py"
    path.parent.mkdir()
    path.write_text("def f():\n    from majolica.train import loop\n    import majolica.eval.run\nimport torch\n")
    assert broken_arrows(path) == ["majolica.train.loop", "majolica.eval.run"]


@pytest.mark.parametrize("name", LIGHT)
def test_light_parts_import_nothing_heavy(name: str) -> None:
    paths = [SOURCE / name] if name.endswith(".py") else sorted((SOURCE / name).rglob("*.py"))
    assert paths
    for path in paths:
        heads = {n.split(".")[0] for n in imported(ast.parse(path.read_text(encoding="utf-8")))}
        assert not heads & HEAVY, path


@pytest.mark.parametrize(
    "words",
    [["--help"], ["train", "nano", "--print-config"], ["train", "reference", "--dry-run"], ["generate"]],
)
def test_quick_answers_load_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from majolica.cli import main; main(sys.argv[1:]);"
        f" sys.exit(' '.join(sorted(set({sorted(HEAVY)}) & set(sys.modules))) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, env=ENVIRONMENT
    )
    assert done.returncode == 0, done.stderr
