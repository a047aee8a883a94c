"""Beginning with trained weights: what belongs to a property is taken by its name, wherever it stands in a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path

from torch import Tensor

from majolica.config.io import load_config
from majolica.config.run import RunConfig
from majolica.models.offsets import count_codes
from majolica.properties.registry import find_property
from majolica.run.weights import home_of


def _count_offsets(name: str) -> int:
    return count_codes(find_property(name))


KINDS = "conditions.kind"
ROWS: Mapping[str, Callable[[str], int]] = {KINDS: lambda name: 1, "conditions.offsets": _count_offsets}
"""How many rows a property has in these weights, one property after the other in the order of the model."""


def arrange_properties(
    weights: dict[str, Tensor], own: Mapping[str, Tensor], place: Path, config: RunConfig
) -> tuple[dict[str, Tensor], list[str]]:
    """`weights` with the vectors of properties in the order of the new run, and lines on what they lack.

    A property that they do not know keeps its first vector. They stay as they are where it is not known
    of which properties their vectors are.
    """
    theirs, ours = declared_properties(place), config.model.properties
    if theirs is None or theirs == ours or KINDS not in weights:
        return weights, []
    arranged = {}
    for key, count in ROWS.items():
        if key in weights and key in own and weights[key].shape[1:] == own[key].shape[1:]:
            arranged[key] = _arrange_rows(weights[key], own[key], theirs, ours, count)
    if not arranged:
        return weights, []
    said = [("starting fresh", set(ours) - set(theirs)), (f"left out of {place}", set(theirs) - set(ours))]
    notes = [f"{what}, of the properties: {', '.join(sorted(names))}" for what, names in said if names]
    return weights | arranged, notes


def _arrange_rows(
    kept: Tensor, first: Tensor, theirs: Sequence[str], ours: Sequence[str], count: Callable[[str], int]
) -> Tensor:
    """The rows of `kept` in our order of properties, each with `count` rows; those of new ones are in `first`."""
    rows = kept.new_zeros(first.shape)
    if first.device.type != "meta":  # a rehearsal has no values
        rows.copy_(first)
    places = _find_rows(theirs, count)
    for name, part in _find_rows(ours, count).items():
        if name in places:
            rows[part] = kept[places[name]]
    return rows


def _find_rows(names: Sequence[str], count: Callable[[str], int]) -> dict[str, slice]:
    ends = list(accumulate(map(count, names), initial=0))
    return {name: slice(*part) for name, part in zip(names, pairwise(ends), strict=True)}


def declared_properties(place: Path) -> tuple[str, ...] | None:
    """The properties of the run that the weights at `place` belong to; None where no run is known."""
    file = home_of(place) / "config.yaml"
    return load_config(file).model.properties if file.is_file() else None
