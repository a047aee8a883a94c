"""Parsing the options of the verbs whose options are the fields of a dataclass, with help that flows."""

from __future__ import annotations

import ast
import inspect
from dataclasses import fields, is_dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

import tyro

from majolica.commands.command_line import parse_words

T = TypeVar("T")
Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
"""An option that is only given to turn something on: it has no form that turns it off."""


def parse_options(default: T, args: list[str], prog: str, description: str, config: tuple[Any, ...] = ()) -> T:
    """Parse `args` into a dataclass like `default`; options that are not given keep its values."""
    set_help(default)
    return parse_words(type(default), args, prog, default=default, description=description, config=config)


def set_help(config: Any) -> None:
    """Give each field of a dataclass, and of the dataclasses in it, its docstring as help, without its line breaks.

    tyro would keep the breaks, and wrap the lines once more. A section without a docstring of its own gets the one of
    its class.
    """
    documents = field_docstrings(type(config))
    for field in fields(config):
        value = getattr(config, field.name)
        is_section = is_dataclass(value)
        for section in value if isinstance(value, tuple) else (value,) * is_section:
            if is_dataclass(section):
                set_help(section)
        document = documents.get(field.name) or (is_section and inspect.getdoc(value))
        if document:
            field.metadata = MappingProxyType({**field.metadata, "help": flow(document)})


def field_docstrings(kind: type) -> dict[str, str]:
    """Return the docstrings below the fields of a dataclass and of its bases; none if there is no source."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        try:
            tree = ast.parse(inspect.getsource(base)).body[0]
        except OSError:
            continue
        for node, following in pairwise(tree.body if isinstance(tree, ast.ClassDef) else ()):
            match node, following:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = text
    return found


def flow(text: str) -> str:
    """Return `text` with one line for each of its paragraphs."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text).split("\n\n"))
