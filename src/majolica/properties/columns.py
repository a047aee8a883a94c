"""Properties that are read from a sample's metadata, because pixels do not tell them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from majolica.errors import UserError
from majolica.properties.property import Property

if TYPE_CHECKING:
    from torch import Tensor

NumberReader = Callable[[Mapping[str, Any]], float]
NameReader = Callable[[Mapping[str, Any]], str]
SOURCE_FOLDER = "source_folder"
"""Stands among the metadata of a sample when it is read: the name of the folder or of the source in a mixture."""
FRAME = "majolica_frame"
"""Stands among the metadata of a sample when it is read: width over height of the part that is cut out of a picture;
None where pictures are not cut."""


def read_ratio(meta: Mapping[str, Any], width: str, height: str) -> float:
    """Width over height by the names of their columns; NaN where either is not known or not above 0."""
    across, down = find_number(meta, width), find_number(meta, height)
    return across / down if across > 0 and down > 0 else math.nan


def find_size(meta: Mapping[str, Any]) -> tuple[float, float]:
    """Width and height of the original, or else of what was stored; NaN where neither pair is known and above 0."""
    for columns in (("original_width", "original_height"), ("width", "height")):
        width, height = (find_number(meta, column) for column in columns)
        if width > 0 and height > 0:
            return width, height
    return math.nan, math.nan


def find_number(meta: Mapping[str, Any], *columns: str) -> float:
    """The first of the columns that holds a finite number; NaN where none does."""
    for column in columns:
        value = meta.get(column)
        if isinstance(value, int | float) and not isinstance(value, bool):
            with suppress(OverflowError):  # a whole number beyond all floats
                if math.isfinite(value):
                    return float(value)
    return math.nan


def read_text(meta: Mapping[str, Any], *columns: str) -> str:
    """The first of the columns that holds a text; "" where none does."""
    found = (meta.get(column) for column in columns)
    return next((value for value in found if isinstance(value, str) and value.strip()), "")


def column_property(unit: str, low: float, high: float, read: NumberReader) -> Property:
    """A property whose value `read` finds in metadata; values beyond the range are taken for its ends."""

    def bounded(meta: Mapping[str, Any]) -> float:
        value = read(meta)
        return value if math.isnan(value) else min(max(value, low), high)

    return Property(unit, low, high, _refuse(unit), read=bounded)


def category_property(what: str, read_name: NameReader) -> Property:
    """A property whose values are the names that `read_name` finds in metadata; `what` says what they name."""
    return Property(what, 0.0, 1.0, _refuse(what), read_name=read_name)


def _refuse(unit: str) -> Callable[[Tensor], Tensor]:
    def measure(images_B3HW: Tensor) -> Tensor:
        raise UserError(f"the {unit} is known from metadata only, and cannot be measured on pictures")

    return measure
