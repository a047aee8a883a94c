"""What it costs to paint a picture of some size, for the progress of evaluations."""

from __future__ import annotations

from majolica.sampling.request import read_size

DETAILS = 0.1
"""What the details of any larger picture cost: the trunk is evaluated for them a few times more."""
DETAILS_BY_AREA = 0.012
"""What they cost for each area of the base picture, because the decoder sees every pixel.

Both are shares of the base picture, and of the recipe `base` (docs/benchmarks.md, "Larger pictures"): it takes 1.14
times as long at twice the side, and 1.29 times at four times the side.
"""
LARGER = 2
"""Areas of the square base picture from which a picture is a larger one. The base pictures of other proportions have
up to a quarter more than one, and the smallest larger pictures have four, or a quarter less."""


def painting_cost(size: object, base: int) -> float:
    """Return what a picture costs, in square pictures of the base resolution `base`.

    `size` is what can be asked for: a side, width and height, or None (`majolica.sampling.request.read_size`). The base
    picture of a larger one costs 1, and its details are painted beside it in a few steps (ADR 075).
    """
    width, height = read_size(size, base)
    area = width * height / base**2
    return area if area < LARGER else 1 + DETAILS + DETAILS_BY_AREA * area
