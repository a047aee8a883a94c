"""Composing pictures from drawings: one or two things, of any size and place, on a coloured ground, in any light.

All random numbers are drawn before any pixel, in units of the shorter side of the picture, so the same state of the
generator gives the same picture at every resolution. A picture that is trained at 48 px therefore has a true reference
at 256 px.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from majolica.data.drawings.openmoji import Drawing, render_drawing
from majolica.data.drawings.phrases import caption
from majolica.errors import UserError

BACKGROUNDS: Mapping[str, tuple[int, int, int]] = {
    "white": (244, 244, 240),
    "grey": (150, 152, 156),
    "yellow": (248, 214, 84),
    "orange": (242, 150, 70),
    "pink": (246, 168, 190),
    "purple": (142, 92, 168),
    "sky blue": (132, 202, 240),
    "dark blue": (36, 60, 130),
    "teal": (18, 140, 140),
    "dark green": (22, 88, 56),
}
# The palette of the drawings (OpenMoji style guide), from plain names to fills. Black, the colour of outlines, is left
# out.
PALETTE: Mapping[str, tuple[str, ...]] = {
    "light blue": ("#92d3f5",),
    "blue": ("#61b2e4",),
    "dark blue": ("#1e50a0",),
    "red": ("#ea5a47", "#d22f27"),
    "dark red": ("#781e32",),
    "yellow": ("#fcea2b", "#f1b31c"),
    "orange": ("#f4aa41", "#e27022"),
    "light green": ("#b1cc33",),
    "green": ("#5c9e31",),
    "dark green": ("#186648",),
    "purple": ("#b399c8", "#8967aa"),
    "dark purple": ("#61306b",),
    "pink": ("#ffa7c0", "#e67a94"),
    "brown": ("#a57939", "#6a462f"),
    "white": ("#fff", "#ffffff"),
    "light grey": ("#d0cfce",),
    "grey": ("#9b9b9a",),
    "dark grey": ("#3f3f3f",),
}
LIGHT = (0.6, 1.25)
"""Range of the light. Below 1 it is a gain, and above 1 a gamma, so that white is not clipped."""
ALONE, PAIRED = (0.6, 0.95), (0.36, 0.5)
"""Range of the longer side of a thing, in units of the shorter side of the picture, alone and beside another one."""


@dataclass(frozen=True)
class Sample:
    """One picture, uint8 H x W x 3, with its caption and what is known about it."""

    image: NDArray[np.uint8]
    caption: str
    meta: dict[str, Any]


@dataclass(frozen=True)
class _Place:
    """The place of a drawing: its longer side and its centre, in units of the shorter side of the picture."""

    side: float
    u: float
    v: float
    mirror: bool


def compose(
    rng: np.random.Generator,
    drawings: Sequence[Drawing],
    resolution: int,
    objects: int = 1,
    *,
    avoid: frozenset[tuple[str, str]] = frozenset(),
    only: frozenset[tuple[str, str]] | None = None,
    name_background: float = 0.6,
    aspect: float = 1.0,
) -> Sample:
    """Compose one picture of some of `drawings`. With `objects` 1 it shows one thing, with 2 it shows one or two.

    `avoid` holds (name, background) pairs that must not occur. If `only` is given, the first thing and the background
    must be one of its pairs. `name_background` is the probability that the caption names the background. `aspect` is
    width over height, of a picture with about as many pixels as the square of `resolution`.
    `meta["brightness"]` is the mean luma (Rec. 709) of the finished picture in [0, 1], and `boxes` are (left, top,
    right, bottom) as shares of its width and height.
    """
    if objects not in (1, 2):
        raise UserError(f"objects must be 1 or 2, not {objects}")
    count = 1 if objects == 1 or rng.random() < 0.5 else 2
    chosen = [int(i) for i in rng.choice(len(drawings), size=min(count, len(drawings)), replace=False)]
    things = [drawings[i] for i in chosen]
    background = _choose_background(rng, things, avoid, only)
    height, width = round(resolution / aspect**0.5), round(resolution * aspect**0.5)
    places = _places(rng, things, width / min(width, height), height / min(width, height))
    ground = _Ground.draw(rng, background)
    light = float(rng.uniform(*LIGHT))
    text = caption(rng, [thing.name for thing in things], background, rng.random() < name_background)

    canvas = ground.paint(height, width)
    boxes = [_paste(canvas, thing, place) for thing, place in zip(things, places, strict=True)]
    table = _lighting(light)
    meta = {
        "label": chosen[0],
        "name": things[0].name,
        "names": [thing.name for thing in things],
        "category": things[0].category,
        "boxes": boxes,
        "background": background,
        "gradient": ground.gradient,
        "colours": [_colours(thing) for thing in things],
        "light": round(light, 4),
        "brightness": round(_mean_luma(canvas, table), 4),
    }
    return Sample(table[np.asarray(canvas)], text, meta)


def _choose_background(
    rng: np.random.Generator,
    things: Sequence[Drawing],
    avoid: frozenset[tuple[str, str]],
    only: frozenset[tuple[str, str]] | None,
) -> str:
    allowed = [name for name in BACKGROUNDS if not any((thing.name, name) in avoid for thing in things)]
    if only is not None:
        allowed = [name for name in BACKGROUNDS if (things[0].name, name) in only]
    if not allowed:
        raise UserError(f"no background is left for {' and '.join(thing.name for thing in things)}")
    return allowed[int(rng.integers(len(allowed)))]


def _places(rng: np.random.Generator, things: Sequence[Drawing], width: float, height: float) -> list[_Place]:
    """Choose places: one thing may be anywhere that fits, and two things are side by side, each in its half."""
    places = []
    low, high = ALONE if len(things) == 1 else PAIRED
    for i, thing in enumerate(things):
        side = float(rng.uniform(low, high))
        share = width / len(things)
        u = i * share + side / 2 + float(rng.random()) * max(0.0, share - side)
        v = side / 2 + float(rng.random()) * (height - side)
        mirror = bool(rng.random() < 0.5) and not thing.is_never_mirrored
        places.append(_Place(side, u, v, mirror))
    return places


@dataclass(frozen=True)
class _Ground:
    """A plain colour or a soft linear gradient between two shades of it."""

    colour: NDArray[np.float32]
    gradient: bool
    angle: float
    strength: float

    @classmethod
    def draw(cls, rng: np.random.Generator, background: str) -> _Ground:
        colour = np.array(BACKGROUNDS[background]) + rng.uniform(-8, 8, 3)
        gradient, angle, strength = rng.random() < 0.5, rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.3)
        return cls(colour.clip(0, 255).astype(np.float32), bool(gradient), float(angle), float(strength))

    def paint(self, height: int, width: int) -> Image.Image:
        if not self.gradient:
            red, green, blue = (int(level + 0.5) for level in self.colour)
            return Image.new("RGB", (width, height), (red, green, blue))
        across, down = (
            ((np.arange(side, dtype=np.float32) + 0.5) / side - 0.5) * 2 * self.strength for side in (width, height)
        )
        right, below = np.cos(self.angle, dtype=np.float32), np.sin(self.angle, dtype=np.float32)
        shade = (right * across + (below * down)[:, None])[..., None]
        # Towards white on one side, towards black on the other.
        pixels = self.colour + np.maximum(shade, 0) * (255 - self.colour) + np.minimum(shade, 0) * self.colour
        return Image.fromarray((pixels + 0.5).clip(0, 255).astype(np.uint8))


def _paste(canvas: Image.Image, thing: Drawing, place: _Place) -> list[float]:
    """Draw `thing` onto the canvas in place; return its box as shares of the width and height."""
    unit = min(canvas.size)
    # The vector is rendered once, at the next power of two, and scaled from there, so that one rendering serves all
    # samples.
    picture = _premultiply(thing, max(128, 1 << (unit - 1).bit_length()))
    scale = place.side * unit / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    picture = picture.resize((width, height), Image.Resampling.BICUBIC).convert("RGBA")
    if place.mirror:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    # A narrow thing has more room at its sides than its longer side says. Its centre stays, unless the edge of the
    # picture would cut it.
    left = min(max(0, round(place.u * unit - width / 2)), canvas.width - width)
    top = min(max(0, round(place.v * unit - height / 2)), canvas.height - height)
    canvas.paste(picture, (left, top), picture)
    box = (left, top, left + width, top + height)
    return [round(edge / side, 4) for edge, side in zip(box, canvas.size * 2, strict=True)]


@lru_cache(maxsize=1024)
def _premultiply(thing: Drawing, size: int) -> Image.Image:
    """Return the rendered drawing in the mode that Pillow scales without converting it."""
    return Image.fromarray(render_drawing(thing, size)).convert("RGBa")


def _mean_luma(canvas: Image.Image, table: NDArray[np.uint8]) -> float:
    """Return the mean luma (Rec. 709) in [0, 1] of the lit canvas. It is exact, and quick because it uses a
    histogram."""
    levels = np.array(canvas.histogram(), float).reshape(3, 256) @ table
    return float(levels @ np.array([0.2126, 0.7152, 0.0722])) / (255 * canvas.width * canvas.height)


def _lighting(light: float) -> NDArray[np.uint8]:
    """Return the table of 256 levels for a light in LIGHT."""
    levels = np.arange(256) / 255
    lit = levels * light if light <= 1 else levels ** (1 / light**2)
    return np.round(lit * 255).astype(np.uint8)


@lru_cache(maxsize=1024)
def _colours(thing: Drawing) -> list[str]:
    """Return the plain names of the fills of a drawing, the most common first."""
    fills = [fill.decode().lower() for fill in re.findall(rb'fill="(#[0-9A-Fa-f]{3,6})"', thing.svg)]
    counts = {name: sum(fill in shades for fill in fills) for name, shades in PALETTE.items()}
    return sorted((name for name, count in counts.items() if count), key=lambda name: -counts[name])
