"""Properties that are read from a sample's metadata, because pixels do not tell them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from majolica.errors import UserError
from majolica.properties.property import Property

if TYPE_CHECKING:
    from torch import Tensor

Reader = Callable[[Mapping[str, Any]], float]


def read_number(meta: Mapping[str, Any], *columns: str) -> float:
    """The first of the columns that holds a finite number; NaN where none does."""
    for column in columns:
        value = meta.get(column)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    return math.nan


def column_property(unit: str, low: float, high: float, read: Reader) -> Property:
    """A property whose value `read` finds in metadata; values beyond the range are taken for its ends."""

    def bounded(meta: Mapping[str, Any]) -> float:
        value = read(meta)
        return value if math.isnan(value) else min(max(value, low), high)

    return Property(unit, low, high, _refuse(unit), read=bounded)


def _refuse(unit: str) -> Callable[[Tensor], Tensor]:
    def measure(images_B3HW: Tensor) -> Tensor:
        raise UserError(f"the {unit} is known from metadata only, and cannot be measured on pictures")

    return measure
