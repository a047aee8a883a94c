"""Sizes of pictures that a model can paint: its base resolution, in any proportions, times a whole number."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from majolica.config.model import ModelConfig
from majolica.errors import UserError

LARGEST = 4_096
"""Longest side in pixels. A painted picture is held whole in memory, if not decoded at once."""
LONGEST_ASPECT = 3
"""The longer side over the shorter one, at most."""
NEAR = 0.01
"""Proportions whose logarithms differ by less count as equal where a picture is cut to others."""
MOST_TOKENS = 1.25
"""The tokens of a picture are those of the square base picture, give or take this factor."""


@dataclass(frozen=True)
class PictureSize:
    """A size that a model can paint."""

    height: int
    """In pixels."""
    width: int
    scale: int
    """k: how many times larger each side is than that of the base picture."""

    @property
    def base(self) -> tuple[int, int]:
        """Height and width of the base picture in pixels."""
        return self.height // self.scale, self.width // self.scale

    @property
    def longest(self) -> int:
        """The longer side in pixels."""
        return max(self.height, self.width)

    @property
    def square(self) -> bool:
        return self.height == self.width

    def __str__(self) -> str:
        return str(self.width) if self.square else f"{self.width}x{self.height}"


def size_of(width: int, height: int, model: ModelConfig) -> PictureSize:
    """The size of a picture of `width` x `height` pixels.

    Raises UserError, with a size that can be painted, if this one cannot.
    """
    if width == height:
        return PictureSize(height, width, enlargement_of(width, model.resolution))
    nearest = _nearest(width, height, model)
    if (nearest.width, nearest.height) != (width, height):
        raise UserError(
            f"size {width}x{height} cannot be painted: sides are a whole number of times those of a base picture, whose"
            f" sides are multiples of the patch ({model.patch}) and which has about"
            f" {model.resolution}x{model.resolution} pixels; use {nearest}, say"
        )
    return nearest


def size_around(width: int, height: int, model: ModelConfig) -> PictureSize:
    """Return the size from which a picture of any `width` x `height` can be cut and scaled down.

    Of the sizes that are as large in both directions, it is the smallest whose proportions are nearest, give or take
    `NEAR`. Raises UserError, with a size that can be had, if there is none.
    """
    nearest = _nearest(width, height, model)
    around = [size for size in sizes(model) if size.width >= width and size.height >= height]
    if not around:
        raise UserError(f"size {width}x{height} is too large for this model; use {nearest}, say")
    turned = [abs(math.log(size.width * height / (size.height * width))) for size in around]
    near = [size for size, turn in zip(around, turned, strict=True) if turn <= min(turned) + NEAR]
    return min(near, key=lambda size: size.height * size.width)


def _nearest(width: int, height: int, model: ModelConfig) -> PictureSize:
    """Return the nearest size that can be painted. Raises UserError, which names it, for sides that no picture has."""
    asked = f"size {width}x{height}"
    if min(width, height) < 1:
        raise UserError(f"{asked} has no pixels: give two sides above 0")
    nearest = min(sizes(model), key=lambda size: _distance(size, width, height))
    if max(width, height) > LONGEST_ASPECT * min(width, height):
        raise UserError(
            f"{asked} is longer than {LONGEST_ASPECT}:1: give sides between 1:{LONGEST_ASPECT} and"
            f" {LONGEST_ASPECT}:1, {nearest}, say"
        )
    if max(width, height) > LARGEST:
        raise UserError(f"{asked} is too large: {LARGEST} is the longest side; use {nearest}, say")
    return nearest


def sizes(model: ModelConfig) -> Iterator[PictureSize]:
    """All sizes that can be painted, squares too.

    All pictures of the same proportions have one base picture, that with the nearest number of tokens: one seed then is
    one picture at all their sizes.
    """
    tokens, shapes = (model.resolution // model.patch) ** 2, []
    for rows in range(1, math.ceil(math.sqrt(LONGEST_ASPECT * MOST_TOKENS * tokens)) + 1):
        for columns in range(-(-rows // LONGEST_ASPECT), LONGEST_ASPECT * rows + 1):
            difference = abs(math.log(rows * columns / tokens))
            if difference <= math.log(MOST_TOKENS) and (rows != columns or rows**2 == tokens):
                shapes.append((difference, rows, columns))
    known: set[Fraction] = set()
    for _, rows, columns in sorted(shapes):
        if Fraction(rows, columns) in known:
            continue
        known.add(Fraction(rows, columns))
        height, width = rows * model.patch, columns * model.patch
        for scale in range(1, max(1, LARGEST // max(height, width)) + 1):
            yield PictureSize(scale * height, scale * width, scale)


def enlargement_of(side: int, base: int) -> int:
    """Return k such that a square of `side` pixels is k times the base resolution.

    Raises UserError if `side` is no multiple of `base`, or too large.
    """
    most = max(1, LARGEST // base)
    if side > most * base:
        raise UserError(f"size {side} is too large: {most * base} is the most ({most} times {base})")
    if side < base or side % base:
        nearest = min(max(1, round(side / base)), most) * base
        raise UserError(f"size {side} is no multiple of the base resolution {base}: use {nearest}, say")
    return side // base


def _distance(size: PictureSize, width: int, height: int) -> float:
    """How far a size is from `width` x `height`, in logarithms; proportions count as much as each side."""
    wide, tall = math.log(size.width / width), math.log(size.height / height)
    return abs(wide) + abs(tall) + abs(wide - tall)
