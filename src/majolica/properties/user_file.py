"""A property of the user's own: a Python file outside the package, as those in `builtin`."""

from __future__ import annotations

import hashlib
import importlib.util
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from majolica.errors import UserError
from majolica.properties.file_name import check_property_file
from majolica.properties.property import Property
from majolica.properties.registry import add_property


def load_property_file(path: Path) -> str:
    """Make the property of a file known under the name of the file, and return this name.

    The file defines `PROPERTY`, a `majolica.properties.property.Property`. Its measure is tried on
    four pictures. Raises UserError for a file that cannot be run, that defines no property, or whose
    measure does not give one number for each picture.
    """
    name = check_property_file(path)
    entry = _run(path)
    _try_measure(path, entry)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    add_property(name, replace(entry, measure=_as_float32(entry.measure), source=f"{path.name}, SHA-256 {digest}"))
    return name


def _as_float32(measure: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The measure with its numbers in the precision in which several properties are followed together."""
    return lambda images_B3HW: measure(images_B3HW).float()


def _run(path: Path) -> Property:
    spec = importlib.util.spec_from_file_location(f"majolica_property_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UserError(f"{path} cannot be run ({_say(error)}): mend it") from error
    entry = getattr(module, "PROPERTY", None)
    if not isinstance(entry, Property):
        raise UserError(
            f"{path} defines no PROPERTY: end it with PROPERTY = Property(unit, low, high, measure), imported from"
            " majolica.properties.property"
        )
    numbers = [isinstance(end, int | float) and math.isfinite(end) for end in (entry.low, entry.high)]
    if not all(numbers) or not isinstance(entry.circular, bool) or not isinstance(entry.unit, str):
        raise UserError(f"{path}: give PROPERTY a unit (text), low and high (finite numbers), circular (True or False)")
    if not entry.low < entry.high:
        raise UserError(f"{path}: the range from {entry.low} to {entry.high} is empty; give low below high")
    return entry


def _try_measure(path: Path, entry: Property) -> None:
    images_B3HW = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    try:
        found = entry.measure(images_B3HW)
    except Exception as error:
        raise UserError(f"{path}: measure fails on four pictures of 32 px ({_say(error)}); mend it") from error
    if not isinstance(found, Tensor) or found.shape != (4,):
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise UserError(f"{path}: measure gives {shape} for four pictures; it has to give four floating-point numbers")
    if not found.is_floating_point():
        kind = str(found.dtype).removeprefix("torch.")
        raise UserError(
            f"{path}: measure gives numbers of the type {kind}; it has to give floating-point numbers, such as float32"
        )


def _say(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
