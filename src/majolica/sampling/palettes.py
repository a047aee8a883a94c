"""Palettes as callers give them, as colours.

Shapes: B prompts, K colours of a palette, padded with NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import ImageColor
from torch import Tensor

from majolica.errors import UserError
from majolica.plurals import counted
from majolica.properties.palette import MOST
from majolica.sampling.inputs import check_one_or_each, take_rows

EXAMPLE = 'give colours such as "teal, #f4a261, white"'
Palettes = str | Sequence[str]
"""Colours as "teal, #f4a261, white": one palette for all pictures, or one for each."""


def read_palettes(given: Palettes | None, count: int) -> Tensor | None:
    """The colours `(B, K, 3)` in [0, 1] of `count` pictures; None without palettes.

    Raises UserError for what is no colour, and for another number of colours or palettes.
    """
    if given is None:
        return None
    palettes = list_palettes(given, count)
    colours_BK3 = torch.stack([_read(palette) for palette in palettes])
    return colours_BK3.expand(count, -1, -1)


def list_palettes(given: Palettes, count: int) -> list[str]:
    """The palettes of `count` prompts one by one: one for all, or one for each; UserError for another number."""
    if not isinstance(given, str | Sequence):
        raise UserError(f"a palette is {given!r}: {EXAMPLE}")
    palettes = [given] if isinstance(given, str) else list(given)
    check_one_or_each(palettes, count, "palette", "prompt")
    return palettes


def take_palettes(given: Palettes, count: int, rows: slice) -> list[str]:
    """The palettes for some of `count` pictures; one for all of them stays what it is."""
    return take_rows(list_palettes(given, count), rows)


def _read(palette: str) -> Tensor:
    """The colours of one palette, `(MOST, 3)`, those that it does not have NaN."""
    if not isinstance(palette, str):
        raise UserError(f"a palette is {palette!r}: {EXAMPLE}")
    words = [word for word in palette.replace(",", " ").split() if word]
    if not 2 <= len(words) <= MOST:
        raise UserError(f"the palette {palette!r} has {counted(len(words), 'colour')}: give 2 to {MOST}")
    colours_K3 = torch.full((MOST, 3), torch.nan)
    for place, word in enumerate(words):
        try:
            colour = ImageColor.getrgb(word)
            if len(colour) > 3:
                raise ValueError("a colour with transparency")
        except ValueError as error:
            raise UserError(
                f"the palette {palette!r} has {word!r}, which is no colour: give names such as teal, or #rrggbb"
            ) from error
        colours_K3[place] = torch.tensor(colour) / 255
    if len({*map(tuple, colours_K3[: len(words)].tolist())}) < len(words):
        raise UserError(f"the palette {palette!r} has a colour twice: give each once")
    return colours_K3
