"""The place of a value among the values of the training pictures, and the value at a place.

The quantiles of a property are `KNOTS` values, from its least to its greatest in training, between
which equally many pictures lie. In between, and beyond them, a straight line is followed.

Shapes: B rows, P properties, K = `KNOTS`, N pictures.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from majolica.errors import UserError
from majolica.files import write_atomic
from majolica.properties.categories import NameTable, parse_names
from majolica.properties.property import Property
from majolica.properties.registry import choose_categories, find_property

Found = TypeVar("Found")
KNOTS = 33
FILE = "properties.json"
"""In a run folder: the quantiles of its training pictures, by property, and the names of categories."""


def spread_evenly(entry: Property) -> Tensor:
    """The quantiles `(K,)` of a property whose values fill its range evenly."""
    return torch.linspace(entry.low, entry.high, KNOTS)


def fit_quantiles(entry: Property, values_N: Tensor) -> Tensor:
    """The quantiles `(K,)` of measured values; NaN are left out.

    They ascend strictly, though values may be equal. A circular property keeps its angles, a category its
    values, and so does one with fewer than `KNOTS` values its range.
    """
    values_N = values_N[values_N.isfinite()].double()
    if entry.circular or entry.is_category or len(values_N) < KNOTS:
        return spread_evenly(entry)
    knots_K = torch.quantile(values_N, torch.linspace(0, 1, KNOTS, dtype=torch.float64))
    # A part of the even distance at least, lest a value that is common be told from its neighbours too finely.
    least = 0.02 * entry.span / (KNOTS - 1)
    rising_K = least * torch.arange(KNOTS, dtype=torch.float64)
    return ((knots_K - rising_K).cummax(0).values + rising_K).float()


def to_quantile(values_BP: Tensor, quantiles_PK: Tensor) -> Tensor:
    """The place of each value, `(B, P)`: 0 at the least value in training, 1 at the greatest."""
    values_PB = values_BP.T.contiguous()
    above_PB = torch.searchsorted(quantiles_PK, values_PB).clamp(1, KNOTS - 1)
    low_PB, high_PB = quantiles_PK.gather(1, above_PB - 1), quantiles_PK.gather(1, above_PB)
    return ((above_PB - 1 + (values_PB - low_PB) / (high_PB - low_PB)) / (KNOTS - 1)).T


def from_quantile(place: float, quantiles_K: Tensor) -> float:
    """The value at a place from 0 to 1."""
    index = min(int(place * (KNOTS - 1)), KNOTS - 2)
    low, high = quantiles_K[index].item(), quantiles_K[index + 1].item()
    return low + (place * (KNOTS - 1) - index) * (high - low)


def save_quantiles(
    folder: Path, quantiles: Mapping[str, Tensor], categories: Mapping[str, NameTable] | None = None
) -> None:
    """Write `properties.json` into a run folder; `categories` are the names of those properties that are some."""
    found: dict[str, dict[str, Any]] = {
        name: {"unit": find_property(name).unit, "quantiles": knots_K.tolist()} for name, knots_K in quantiles.items()
    }
    for name, table in (categories or {}).items():
        found[name]["names"] = list(table.names)
    write_atomic(folder / FILE, json.dumps(found, indent=1).encode())


def load_quantiles(folder: Path, names: Sequence[str]) -> Tensor:
    """The quantiles `(P, K)` of a run. Raises UserError if its `properties.json` cannot be read or lacks a property."""

    def read(name: str, found: Mapping[str, Any]) -> Tensor:
        return _check(torch.tensor(found["quantiles"], dtype=torch.float32))

    known = _load(folder, names, read)
    if lost := [name for name in names if name not in known]:
        path = folder / FILE
        reason = f"does not say which values {lost[0]} has" if path.exists() else "is missing"
        raise UserError(f"{path} {reason}, which the model needs: restore it from a copy of the run")
    return torch.stack([known[name] for name in names]) if names else torch.empty(0, KNOTS)


def load_categories(folder: Path, names: Sequence[str]) -> dict[str, NameTable]:
    """The names of those of the properties that are categories; none where `properties.json` does not have them.

    Raises UserError for a file that cannot be read.
    """
    categories = choose_categories(names)
    return {name: NameTable() for name in categories} | _load(folder, categories, _read_table)


def _read_table(name: str, found: Mapping[str, Any]) -> NameTable:
    return NameTable(parse_names(name, found["names"]))


def _load(folder: Path, names: Sequence[str], read: Callable[[str, Mapping[str, Any]], Found]) -> dict[str, Found]:
    """What `read` makes of the entries of those names that `properties.json` has."""
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it is no JSON object")
        return {name: read(name, found[name]) for name in names if name in found}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} cannot be read ({error}): restore it from a copy of the run") from error


def _check(knots_K: Tensor) -> Tensor:
    if knots_K.shape != (KNOTS,) or not bool((knots_K.diff() > 0).all()):
        raise ValueError(f"quantiles are {KNOTS} ascending numbers")
    return knots_K
