"""Configurations as YAML. The reader is strict: an unknown key or a wrong type is an error that says where it is."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from majolica.config.run import RunConfig
from majolica.errors import UserError, unknown_name
from majolica.files import write_atomic

T = TypeVar("T")

RETIRED = ("train.replanned",)
"""Keys that earlier versions wrote into config.yaml and that say nothing any more: they are passed over."""


def load_config(path: Path, base: Callable[[str], RunConfig] | None = None) -> RunConfig:
    """Return the run configuration in the YAML file at `path`.

    It is read as `read_config` does. Without `base` it is that of a run, which has all keys of its version: one that
    is left out did not exist then, and has the value by which nothing changes for the run.
    """
    return read_config(path, RunConfig() if base else _before_newer_options(), base)


def _before_newer_options() -> RunConfig:
    """The defaults, but that options which came later and change a training by themselves are off."""
    usual = RunConfig()
    loss = replace(usual.loss, t_early=0.0, drop_properties=0.0)
    return replace(usual, model=replace(usual.model, property_entry="tokens"), loss=loss)


def read_config(path: Path, default: T, base: Callable[[str], T] | None = None) -> T:
    """Return the configuration, a dataclass like `default`, in the YAML file at `path`.

    A key that is left out has its value in `default`, or in `base(recipe)` if `base` is given; `recipe` is "" if the
    file names none. Raises UserError, which names the file and the key, for anything that does not fit.
    """
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_loader())
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the configuration {path}: {_reason(error)}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {_problem(error)}") from error
    if data is None:
        raise UserError(f"{path} is empty; --print-config of the command that reads it prints a whole one")
    try:
        return from_dict(data, base(_recipe_of(data)) if base and isinstance(data, Mapping) else default)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def save_config(config: Any, path: Path) -> None:
    """Write `config` with all its fields as YAML to `path`. Raises UserError if the disk refuses."""
    write_atomic(path, to_yaml(config))


def to_yaml(config: Any) -> str:
    """Return `config` as YAML text, from which `load_config` makes the same configuration."""
    return yaml.dump(to_dict(config), Dumper=_dumper(), sort_keys=False, allow_unicode=True)


def to_dict(config: Any) -> dict[str, Any]:
    """Return `config` as nested dictionaries, lists and scalars, in the order of the fields."""
    return {field.name: _plain(getattr(config, field.name)) for field in fields(config)}


def from_dict(data: Any, base: T) -> T:
    """Return `base` with the fields replaced that the nested mappings in `data` name.

    Raises UserError for a key or a value that does not fit.
    """
    config: T = _build(base, data, "")
    return config


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_dict(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _build(base: Any, data: object, path: str) -> Any:
    if not isinstance(data, Mapping):
        raise UserError(f"{path or 'it'} must be a mapping of keys to values, not {_format_value(data)}")
    kind: type = type(base)
    hints = _hints(kind)
    values = {field.name: getattr(base, field.name) for field in fields(base)}
    for key, value in data.items():
        where = f"{path}.{key}" if path else str(key)
        if where in RETIRED:
            continue
        if key not in hints:
            raise unknown_name("key", where, [f"{path}.{name}" if path else name for name in hints])
        values[key] = _value(hints[key], values[key], value, where)
    return kind(**values)


def _value(hint: Any, base: Any, value: Any, where: str) -> Any:
    if isinstance(hint, type) and is_dataclass(hint):
        return _build(base if base is not None else hint(), value, where)
    if typing.get_origin(hint) is Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise UserError(f"{where} must be one of {', '.join(map(str, choices))}, not {_format_value(value)}")
        return value
    if typing.get_origin(hint) is tuple:
        return _items(typing.get_args(hint)[0], value, where)  # all tuples are of one kind of item
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:  # the types must be equal: True is no integer here
        raise UserError(f"{where} must be {_WORDS[hint]}, not {_format_value(value)}")
    return value


def _items(hint: Any, value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise UserError(f"{where} must be a list, not {_format_value(value)}")
    return tuple(_value(hint, None, item, f"{where}[{i}]") for i, item in enumerate(value))


_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def _format_value(value: Any) -> str:
    """A value as an error message shows it."""
    if value is None:
        return "empty"
    if isinstance(value, Mapping):
        return "a mapping"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _recipe_of(data: Mapping[Any, Any]) -> str:
    recipe = data.get("recipe")
    return recipe if isinstance(recipe, str) else ""


def _reason(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return error.strerror or str(error)


def _problem(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


@cache
def _loader() -> type[yaml.SafeLoader]:
    """A safe loader that reads 1e-4 as a number (YAML 1.1 does not) and refuses a key given twice.

    It also refuses 010 and 1:30, which YAML 1.1 reads as 8 and 90.
    """

    class Strict(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            for key in keys:
                if keys.count(key) > 1:
                    problem = f"the key {key!r} stands twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
            return super().construct_mapping(node, deep)

        def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
            if not re.fullmatch(r"[-+]?(0|[1-9][\d_]*|0[xb][\da-fA-F_]+)", node.value):
                problem = f"{node.value} is no plain number: write it without a leading 0 and without colons"
                raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
            return super().construct_yaml_int(node)

        def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
            return self.construct_yaml_int(node) if ":" in node.value else super().construct_yaml_float(node)

    for kind, construct in (("int", Strict.construct_yaml_int), ("float", Strict.construct_yaml_float)):
        Strict.add_constructor(f"tag:yaml.org,2002:{kind}", construct)
    _add_numbers(Strict)
    return Strict


@cache
def _dumper() -> type[yaml.SafeDumper]:
    """A safe dumper that puts text in quotes which `_loader` would read as a number, such as "1e5"."""

    class Quoting(yaml.SafeDumper):
        pass

    _add_numbers(Quoting)
    return Quoting


def _add_numbers(kind: type[yaml.SafeLoader] | type[yaml.SafeDumper]) -> None:
    number = re.compile(r"^[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)$")
    kind.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+.0123456789"))
