"""Rooms import only what the table allows, without cycles, and light files import nothing heavy."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import majolica

SOURCE = Path(majolica.__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SOURCE.parent)}

# What each room may import. A room stands below all rooms that it imports. All rooms may import FOR_ALL, and those of
# TOP may import all. The folder `data` is divided into rooms itself.
ALLOWED = {
    "properties": set(),
    "config": {"properties"},
    "gpus": set(),
    "html": set(),
    "recipes": {"config"},
    "text": set(),
    "data.counter": set(),
    "data.tasks": {"config"},
    "data.urls": set(),
    "data.pictures": {"config", "data.counter"},
    "data.store": {"data.pictures"},
    "data.order": {"config", "data.counter", "data.pictures"},
    "data.loading": {"config", "data.counter", "data.order", "data.pictures", "data.store", "properties"},
    "data.filter": {"config", "data.store", "data.tasks", "data.urls", "html"},
    "data.fetch": {"config", "data.pictures", "data.store", "data.tasks", "data.urls"},
    "data.folder": {"config", "data.fetch", "data.pictures", "data.store", "data.tasks"},
    "data.drawings": {"data.store", "text"},
    "data.inspect": {"config", "data.pictures", "data.store", "data.tasks", "html", "text"},
    "models": {"config", "properties"},
    "run": {"config"},
    "adapters": {"config", "models", "properties"},
    "objectives": {"config", "models", "properties"},
    "distributed": set(),
    "activation": {"config", "models", "objectives"},
    "sampling": {"adapters", "config", "data.pictures", "text", "models", "properties", "run"},
    "metrics": set(),
    "features": {"data.pictures", "run"},
    "eval": {
        *("config", "data.drawings", "data.folder", "data.loading", "data.pictures", "data.store"),
        *("data.tasks", "features", "html", "metrics", "models", "objectives", "properties", "run", "sampling", "text"),
    },
    "train": {
        *(
            "activation",
            "adapters",
            "config",
            "data.counter",
            "data.loading",
            "data.order",
            "data.pictures",
            "data.store",
        ),
        *("distributed", "gpus", "models", "objectives", "properties", "run", "sampling", "text"),
    },
    "launch": {
        "config",
        "data.loading",
        "distributed",
        "eval",
        "models",
        "recipes",
        "run",
        "sampling",
        "text",
        "train",
    },
    "estimate": {"activation", "config", "distributed", "gpus", "models", "objectives", "train"},
}
TOP = {"cli", "commands", "__main__"}
FOR_ALL = {"callbacks", "errors", "files", "lock", "scratch", "machine", "plurals", "signals", "device", "__version__"}
LIGHT = (
    "callbacks.py",
    "cli.py",
    "errors.py",
    "files.py",
    "lock.py",
    "scratch.py",
    "machine.py",
    "plurals.py",
    "signals.py",
    "config",
    "html",
    "recipes",
)
HEAVY = {"torch", "numpy", "safetensors", "tensorboard", "matplotlib", "PIL"}


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def room(path: Path) -> str:
    """The room of a file: `models`, `data.store`; a file of the package itself is a room of its own."""
    return room_of(".".join(path.relative_to(SOURCE).with_suffix("").parts))


def room_of(name: str) -> str:
    """The room of a module or of something in it, named without the package."""
    first, *rest = name.split(".")
    return f"data.{rest[0]}" if first == "data" and rest and rest[0] != "__init__" else first


def imported(tree: ast.AST) -> Iterator[str]:
    """Full names of everything imported in a syntax tree, at whatever depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def forbidden_imports(path: Path) -> list[str]:
    """Return the imports of `path` that its room may not have."""
    own = room(path)
    allowed = ALLOWED.get(own, set()) | FOR_ALL | {own}
    names = imported(ast.parse(path.read_text(encoding="utf-8")))
    return [name for name in names if name.startswith("majolica.") and room_of(name[9:]) not in allowed]


def test_every_part_has_a_place() -> None:
    assert {room(path) for path in modules()} == set(ALLOWED) | TOP | FOR_ALL - {"__version__"} | {"__init__", "data"}


def test_the_table_itself_has_no_cycle() -> None:
    placed: set[str] = set()
    for name, needs in ALLOWED.items():
        assert needs <= placed, f"{name} stands above {sorted(needs - placed)}"
        placed.add(name)


def test_the_table_allows_no_import_that_no_file_has() -> None:
    used: dict[str, set[str]] = {name: set() for name in ALLOWED}
    for path in modules():
        if room(path) in ALLOWED:
            names = imported(ast.parse(path.read_text(encoding="utf-8")))
            used[room(path)] |= {room_of(name[9:]) for name in names if name.startswith("majolica.")}
    assert {name: needs - used[name] for name, needs in ALLOWED.items() if needs - used[name]} == {}


@pytest.mark.parametrize("path", [p for p in modules() if room(p) not in TOP], ids=lambda p: p.stem)
def test_a_file_imports_only_what_its_room_may(path: Path) -> None:
    assert forbidden_imports(path) == []


@cache
def public_definitions(path: Path) -> Iterator[str]:
    """The public functions, classes and aliases of types of a file."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name
        if isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            yield from (name for name in names if re.match("[A-Z][A-Z0-9]*[a-z]", name))


def shared_names(paths: list[Path]) -> dict[str, list[str]]:
    """The names that several files give to something of their own, and these files.

    Commands are named for what is typed, the files of properties all have the same few functions, and what `python -m`
    starts is called `main`.
    """
    places: dict[str, list[str]] = {}
    for path in paths:
        if path.parent.name != "builtin" and "commands" not in path.relative_to(SOURCE).parts:
            for name in public_definitions(path):
                places.setdefault(name, []).append(str(path.relative_to(SOURCE)))
    return {name: found for name, found in places.items() if len(found) > 1 and name != "main"}


def test_no_two_things_have_one_name() -> None:
    assert not shared_names(modules())


def test_a_shared_name_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "SOURCE", tmp_path)
    for file in ("one", "two"):
        (tmp_path / f"{file}.py").write_text(
            f"def paint(): ...\ndef {file}(): ...\ndef _paint(): ...\nSize = int\nMOST = 1\n"
        )
    assert shared_names(modules()) == {name: ["one.py", "two.py"] for name in ("paint", "Size")}


def defined(place: Path) -> set[str]:
    """What the module or package at `place`, a path without a suffix, defines itself, its modules included."""
    file = place.with_suffix(".py") if place.with_suffix(".py").is_file() else place / "__init__.py"
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    names |= {n.name for n in nodes if isinstance(n, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)}
    return names | {child.stem for child in place.glob("*")}


def passed_on(path: Path) -> list[str]:
    """Return what `path` imports from a module of the package that only imports it itself."""
    names = [name for name in imported(ast.parse(path.read_text(encoding="utf-8"))) if name.startswith("majolica.")]
    parts = {name: name.split(".")[1:] for name in names}
    return [name for name in names if parts[name][-1] not in defined(SOURCE.joinpath(*parts[name][:-1]))]


def test_names_are_imported_from_where_they_are_defined() -> None:
    tests = sorted(Path(__file__).parents[1].rglob("*.py"))
    assert [f"{path.name}: {name}" for path in [*modules(), *tests] for name in passed_on(path)] == []


def test_a_name_that_is_passed_on_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "SOURCE", tmp_path)
    (tmp_path / "__init__.py").touch()
    (tmp_path / "first.py").write_text("NAME = 1\n")
    (tmp_path / "second.py").write_text("from majolica.first import NAME\nOWN: int = 2\n")
    (tmp_path / "third.py").write_text("from majolica.second import NAME, OWN\nimport majolica.first\n")
    assert passed_on(tmp_path / "second.py") == []
    assert passed_on(tmp_path / "third.py") == ["majolica.second.NAME"]


def test_a_forbidden_import_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "SOURCE", tmp_path)
    path = tmp_path / "models" / "layers.py"
    path.parent.mkdir()
    path.write_text("def f():\n    from majolica.train import loop\n    import majolica.eval.run\nimport torch\n")
    assert forbidden_imports(path) == ["majolica.train.loop", "majolica.eval.run"]


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
