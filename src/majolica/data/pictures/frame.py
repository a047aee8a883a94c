"""The frame that a picture of other proportions has to fill, and what that does to the picture."""

from __future__ import annotations

from typing import Literal

Shape = tuple[int, int]
"""Height and width in pixels."""
Fit = Literal["crop", "pad", "stretch"]
"""How a picture fills a frame of other proportions: its centre is cut out, white is added, or it is stretched."""


def scale_of(size: Shape, target: Shape, how: Fit) -> float:
    """Return how many pixels of a picture go into one pixel of the frame, along the side where these are fewest."""
    sides = size[0] / target[0], size[1] / target[1]
    return max(sides) if how == "pad" else min(sides)


def lost_area(size: Shape, target: Shape) -> float:
    """Return the share in [0, 1] of a picture's area that a central cut in the proportions of the target leaves out."""
    sides = size[0] / target[0], size[1] / target[1]
    return 1 - min(sides) / max(sides)
