"""Warnings (`Notice`) to whoever calls the pipeline, about what is done all the same."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Hashable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from majolica.errors import Notice
from majolica.plurals import counted, plural
from majolica.properties.palette import palette_distance
from majolica.properties.registry import choose_measured, explain_unmeasured, find_property, measure_property

_INSIDE = ("majolica.sampling", "torch")
"""Packages whose code is not the caller's: the pipeline, and what torch wraps around its methods.
"""


def warn(lines: Iterable[str]) -> None:
    """Warn with each line, at the line of code that called the pipeline."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(_INSIDE):
        level, frame = level + 1, frame.f_back
    for line in lines:
        warnings.warn(line, Notice, stacklevel=level)


FAR = 0.1
"""Share of the range of a property, or of the way from black to white, by which a picture misses it if that is said."""
BEYOND = 0.05
"""Share of the range of a property by which a value is beyond those of training if that is said."""


def describe_misses(values: Mapping[str, Tensor], images_B3HW: Tensor) -> list[str]:
    """A line for each property that painted pictures miss by far; `values` are those asked for, `(B,)`.

    The pictures are at the base resolution, with values in [0, 1], because properties are those of the
    base picture. A property that cannot be measured is passed over: see `describe_unmeasured`.
    """
    lines = []
    for name in choose_measured(tuple(values)):
        wanted_B, measured_B = values[name], measure_property(name, images_B3HW)
        entry = find_property(name)
        away_B = entry.miss(measured_B, wanted_B).abs()
        far = [row for row, away in enumerate(away_B.tolist()) if not away <= FAR]  # NaN is far too
        if far:
            some = f"{len(far)} of {counted(len(away_B), 'picture')}; " if len(away_B) > 1 else ""
            found = f"{measured_B[far[0]]:.3g}" if bool(measured_B[far[0]].isfinite()) else "none"
            lines.append(f"{name} is missed ({some}asked for {wanted_B[far[0]]:.3g} {entry.unit}, measured {found})")
    return lines


def describe_unseen(values: Mapping[str, Tensor], quantiles: Mapping[str, Tensor]) -> list[str]:
    """A line for each property that is asked for beyond what training showed of it, by more than `BEYOND`.

    `quantiles` are those of the training pictures, `(K,)` each, of the properties that the model has learned.
    """
    lines = []
    for name in quantiles.keys() & values.keys():
        entry, low, high = find_property(name), float(quantiles[name][0]), float(quantiles[name][-1])
        beyond_B = torch.maximum(low - values[name], values[name] - high) > BEYOND * entry.span
        if not (entry.circular or entry.is_category) and bool(beyond_B.any()):
            lines.append(
                f"{name} of {float(values[name][beyond_B][0]):.3g} is beyond what training showed, from {low:.3g} to"
                f" {high:.3g}, so the picture may lose what the prompt asks for"
            )
    return sorted(lines)


def describe_missed_palettes(palettes_BK3: Tensor | None, images_B3HW: Tensor) -> list[str]:
    """A line if pictures, given as for `describe_misses`, have other colours than those of their palettes."""
    if palettes_BK3 is None:
        return []
    missed = int((palette_distance(images_B3HW.float(), palettes_BK3.to(images_B3HW.device)) > FAR).sum())
    some = f"{missed} of {counted(len(images_B3HW), 'picture')}" if len(images_B3HW) > 1 else "the picture"
    has = plural(missed, "has", "have")
    why = "perhaps because a property or the prompt asks for others"
    return [f"{some} {has} other colours than the palette, {why}"] if missed else []


def describe_unmeasured(names: Sequence[str]) -> list[str]:
    """A line for each property whose measure is in a file that nobody has named."""
    return [
        f"{name} is followed less closely, and what pictures measure is not checked, because {reason}"
        for name, reason in explain_unmeasured(names).items()
    ]


def find_repeats(asked: Sequence[Hashable]) -> list[str]:
    """A line on the first picture that is asked for twice; none where each is another."""
    seen: dict[Hashable, int] = {}
    for row, wish in enumerate(asked):
        if seen.setdefault(wish, row) != row:
            return [
                f"pictures {seen[wish]} and {row} (counted from 0) have one prompt and one seed and are one"
                " picture: give each its own seed for variants"
            ]
    return []
