"""The properties by name. Which there are is known without torch; what they measure is imported when it is needed.

Shapes: B images, P properties, 3 colours, H and W pixels of an image.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from majolica.errors import UserError, unknown_name
from majolica.properties.categories import NO_CATEGORIES, EncodeName, fold_name
from majolica.properties.property import Property

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = Path(__file__).with_name("builtin")
SIDE = 32
"""Pixels of the side of the pictures on which measures are tried."""


@cache
def known_properties() -> tuple[str, ...]:
    """The names of all properties that are built in, in alphabetical order."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules([str(FOLDER)])))


_ADDED: dict[str, Property] = {}
"""Properties that are not built in: of a user's file, or of an adapter."""


def add_property(name: str, entry: Property) -> None:
    """Make a property known that is not built in; a later one of that name takes its place."""
    _ADDED[name] = entry


@cache
def _probe(entry: Property) -> tuple[bool, bool]:
    """Whether a property is measured on pixels here, and whether this can be differentiated."""
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        pixels = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
        try:
            entry.measure(pixels)
        except UserError:  # it is read from metadata, or a user's measure is not here
            return False, False
        try:
            return True, entry.measure(pixels.requires_grad_()).requires_grad
        except Exception:  # a user's measure may raise anything here, such as the error of a library that wants NumPy
            return True, False


def find_property(name: str) -> Property:
    """Return the property of that name. Raises UserError, which names the nearest, if there is none."""
    if name in _ADDED:
        return _ADDED[name]
    if name not in known_properties():
        raise unknown_name("property", name, (*known_properties(), *_ADDED))
    return _import_builtin(name)


@cache
def _import_builtin(name: str) -> Property:
    found: Property = importlib.import_module(f"majolica.properties.builtin.{name}").PROPERTY
    return found


def is_smooth(name: str) -> bool:
    """Whether what a property measures can be differentiated by the pixels."""
    return _probe(find_property(name))[1]


def can_project(name: str) -> bool:
    """Whether a picture can be moved to a value of the property: along a gradient, or by moving its subject."""
    return find_property(name).frame is not None or is_smooth(name)


def measure_property(name: str, images_B3HW: Tensor) -> Tensor:
    """Measure one property of `images_B3HW` in [0, 1]; `(B,)` in the property's unit, NaN where it has no value.

    Raises UserError for an unknown property.
    """
    return find_property(name).measure(images_B3HW)


def measure_all(names: Sequence[str], images_B3HW: Tensor, known: Mapping[str, Tensor] | None = None) -> Tensor:
    """Measure several properties; `(B, P)`, NaN where a picture has no value.

    `known` are the values `(B,)` of those that are read from metadata.
    """
    values_BP = images_B3HW.new_empty(len(images_B3HW), len(names))
    for place, name in enumerate(names):
        values_BP[:, place] = known[name] if known and name in known else measure_property(name, images_B3HW)
    return values_BP


def choose_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Those of the properties that are read from metadata."""
    entries = {name: find_property(name) for name in names}
    return tuple(name for name, entry in entries.items() if entry.read is not None or entry.is_category)


def choose_categories(names: Sequence[str]) -> tuple[str, ...]:
    """Those of the properties whose values are names."""
    return tuple(name for name in names if find_property(name).is_category)


def choose_measured(names: Sequence[str]) -> tuple[str, ...]:
    """Those of the properties that can be measured on pixels here."""
    return tuple(name for name in names if _probe(find_property(name))[0])


def explain_unmeasured(names: Sequence[str]) -> dict[str, str]:
    """Those of the properties whose measure is in a file that nobody has named, each with what to do about it."""
    import torch

    found = {}
    for name in names:
        if name not in known_properties() and not choose_measured((name,)):
            try:
                measure_property(name, torch.zeros(1, 3, SIDE, SIDE))
            except UserError as error:
                found[name] = str(error)
    return found


def read_all(
    names: Sequence[str], meta: Mapping[str, Any], categories: Mapping[str, EncodeName] = NO_CATEGORIES
) -> tuple[float, ...]:
    """The values of properties in the metadata of a sample, NaN where it has none.

    `categories` say by property which value a name has; without them a category has no value.
    """
    return tuple(_read_value(name, meta, categories) for name in names)


def read_columns(
    names: Sequence[str], metas: Sequence[Mapping[str, Any]], categories: Mapping[str, EncodeName] = NO_CATEGORIES
) -> dict[str, Tensor]:
    """Return the values of properties in the metadata of N samples by name, float32 `(N,)`; NaN if one has none."""
    import torch

    rows = [read_all(names, meta, categories) for meta in metas]
    return {name: torch.tensor([row[place] for row in rows]) for place, name in enumerate(names)}


def _read_value(name: str, meta: Mapping[str, Any], categories: Mapping[str, EncodeName]) -> float:
    entry = find_property(name)
    if entry.read_name is not None:
        return categories[name](fold_name(entry.read_name(meta))) if name in categories else float("nan")
    return entry.read(meta)  # type: ignore[misc]
