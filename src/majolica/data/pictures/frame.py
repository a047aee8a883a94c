"""The frame that a picture of other proportions shall fill, and what that does to it."""

from __future__ import annotations

from typing import Literal

Shape = tuple[int, int]
"""Height and width in pixels."""
Fit = Literal["crop", "pad", "stretch"]
"""How a picture fills a frame of other proportions: its centre cut, white beside it, or squeezed."""


def scale_of(size: Shape, target: Shape, how: Fit) -> float:
    """How many pixels of a picture go into one of the frame, along the side where they are fewest."""
    sides = size[0] / target[0], size[1] / target[1]
    return max(sides) if how == "pad" else min(sides)


def lost_area(size: Shape, target: Shape) -> float:
    """The share of a picture's area, in [0, 1], that a central cut in the target's proportions leaves out."""
    sides = size[0] / target[0], size[1] / target[1]
    return 1 - min(sides) / max(sides)
