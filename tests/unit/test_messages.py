"""What is printed spells an option as it is typed: --data.bad-share, not data.bad_share."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import majolica
from majolica.config.run import RunConfig

SOURCES = Path(majolica.__file__).parent
CHECKS = SOURCES / "config"
"""Its checks name the fields, for they read YAML files as well."""
UNTYPED = {"data.sources"}
"""A list of mappings, which is written into a YAML file as a whole."""


def dotted(config: Any, within: str = "") -> Iterator[str]:
    """Every field of a configuration by its full name, such as model.text.length."""
    for field in fields(config):
        value = getattr(config, field.name)
        if is_dataclass(value):
            yield from dotted(value, f"{within}{field.name}.")
        elif within:
            yield f"{within}{field.name}"


def texts(tree: ast.AST) -> Iterator[ast.Constant]:
    """Strings of a program, without those that document it."""
    documents = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in documents:
            yield node


def test_options_are_spelled_as_they_are_typed() -> None:
    names = "|".join(re.escape(name) for name in sorted(set(dotted(RunConfig())) - UNTYPED, key=len, reverse=True))
    bare = re.compile(rf"(?<![\w.-])({names})\b")
    found = [
        f"{path.relative_to(SOURCES)}:{text.lineno}: {name}"
        for path in sorted(SOURCES.rglob("*.py"))
        if CHECKS not in path.parents
        for text in texts(ast.parse(path.read_text(encoding="utf-8")))
        for name in bare.findall(str(text.value))
    ]
    # The verb `data tokenizer` is a module, and the help of the verbs names it so.
    assert [line for line in found if not line.startswith("cli.py")] == []
