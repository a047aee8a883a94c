"""The card of an adapter by which a model follows reference pictures."""

from __future__ import annotations

import dataclasses
import json

from majolica.adapters.card import VERSION, read_fields

KIND = "reference"
"""Of such a card; the card of a property has no kind. It is also the name of the file in the folder of adapters."""


@dataclasses.dataclass(frozen=True)
class ReferenceCard:
    """What a person and the program should know of the adapter."""

    base: str
    """SHA-256 of the averaged weights that it was taught to."""
    rank: int
    parameters: int
    share: float
    """Its parameters over those of the model."""
    steps: int
    rows: int
    seconds: float
    kind: str = KIND
    version: int = VERSION

    def to_json(self) -> str:
        """The card as one JSON object."""
        return json.dumps(dataclasses.asdict(self), indent=1)

    @staticmethod
    def from_json(text: str) -> ReferenceCard:
        """Read a card; ValueError or TypeError for what is none."""
        card = read_fields(ReferenceCard, text)
        if card.rank < 1:
            raise ValueError("its card has no rank")
        if card.kind != KIND:
            raise ValueError(f"its card is of the kind {card.kind!r}")
        return card


def is_reference(text: str) -> bool:
    """Whether the text of a card is that of such an adapter, and not of a property; ValueError if it is no JSON."""
    found = json.loads(text)
    return isinstance(found, dict) and "kind" in found
