"""The card of an adapter: what it is, how it is measured, and which model it belongs to."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, TypeVar

from torch import Tensor

from majolica.errors import UserError
from majolica.properties.categories import parse_names
from majolica.properties.property import Property
from majolica.properties.registry import add_property, find_property, known_properties

KEY = "majolica_adapter"
"""Of the card in the metadata of the safetensors file, as JSON."""
VERSION = 2
"""Of cards; those of version 1 belong to adapters with keys and values, which are no more."""
CardType = TypeVar("CardType")


def read_fields(card: type[CardType], text: str) -> CardType:
    """Read a card of that class, a dataclass; ValueError or TypeError for what is none."""
    found: dict[str, Any] = json.loads(text)
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise ValueError(f"its card is not of version {VERSION}")
    read = card(**found)
    kinds: dict[str, Any] = {"str": str, "int": int, "bool": bool, "float": (int, float), "list[str]": list}
    for field in dataclasses.fields(card):  # type: ignore[arg-type]
        if not isinstance(getattr(read, field.name), kinds[str(field.type)]):
            raise ValueError(f"{field.name} of its card is {getattr(read, field.name)!r}")
    return read


@dataclasses.dataclass(frozen=True)
class AdapterCard:
    """What a person and the program should know of an adapter."""

    name: str
    """Of the property, as in --set NAME=VALUE."""
    unit: str
    low: float
    high: float
    circular: bool
    measure: str
    """How values are measured: "built in", or the name and the SHA-256 of the user's file."""
    base: str
    """SHA-256 of the averaged weights that it was taught to."""
    names: list[str]
    """Those of a category, in the order of its table; none for a number."""
    parameters: int
    share: float
    """Its parameters over those of the model."""
    steps: int
    rows: int
    seconds: float
    version: int = VERSION

    def to_json(self) -> str:
        """The card as one JSON object."""
        return json.dumps(dataclasses.asdict(self), indent=1)

    @staticmethod
    def from_json(text: str) -> AdapterCard:
        """Read a card; ValueError or TypeError for what is none."""
        card = read_fields(AdapterCard, text)
        if not card.low < card.high:
            raise ValueError("its card has no range")
        parse_names(card.name, card.names)
        return card

    def introduce(self) -> None:
        """Make its property known, unless it is known already: pictures can then be painted, but not measured."""
        if self.name in known_properties():
            return
        try:
            entry = find_property(self.name)
        except UserError:  # nobody has named its file
            add_property(self.name, Property(self.unit, self.low, self.high, _cannot_measure(self), self.circular))
            return
        if not entry.source and (entry.low, entry.high) == (self.low, self.high):  # of another adapter
            return
        if (entry.low, entry.high, entry.circular) != (self.low, self.high, self.circular):
            raise UserError(
                f"the adapter {self.name} was taught values from {self.low:g} to {self.high:g} {self.unit}, and another"
                f" property of that name runs from {entry.low:g} to {entry.high:g} {entry.unit}: rename one of them"
            )
        if entry.source != self.measure:
            raise UserError(
                f"the adapter {self.name} was taught with {self.measure}, and {entry.source} is another file: name the"
                " one that it was taught with, or teach it anew"
            )


def _cannot_measure(card: AdapterCard) -> Any:
    def measure(images_B3HW: Tensor) -> Tensor:
        raise UserError(f"how {card.name} is measured is not built in: name its file ({card.measure}) with --property")

    return measure
