"""Axes: where a value lies on a drawing, and the round numbers that are written beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from majolica.html.escape import escape
from majolica.html.numbers import short_number

WIDTH, HEIGHT = 420, 240
"""Units of a drawing; a page scales it to the room that it has."""
RIGHT, TOP, BOTTOM = 14, 30, 40
"""Margins. The left one depends on whether numbers stand there."""


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, which differ; both are positive where the axis is logarithmic."""

    low: float
    high: float
    log: bool = False

    @staticmethod
    def around(values: Sequence[float], log: bool = False, margin: float = 0.06) -> Axis:
        """An axis that holds all `values`, with room at both ends.

        The room is `margin` of its length; on a logarithmic axis it is a tenth of the value.
        """
        low, high = min(values), max(values)
        if log:
            return Axis(low / 1.1, high * 1.1, True)
        if low == high:
            return Axis(low - (abs(low) / 2 or 1), high + (abs(high) / 2 or 1))
        return Axis(low - margin * (high - low), high + margin * (high - low))

    def share(self, value: float) -> float:
        """How far along the axis `value` lies: 0 at `low`, 1 at `high`."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def value(self, share: float) -> float:
        """The value that lies there: what `share` undoes."""
        if self.log:
            return self.low * math.pow(self.high / self.low, share)
        return self.low + share * (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round numbers on the axis."""
        return log_ticks(self.low, self.high) if self.log else ticks(self.low, self.high)


@dataclass(frozen=True)
class Frame:
    """A pair of axes on a drawing of `WIDTH` by `HEIGHT` units."""

    x: Axis
    y: Axis
    left: float = 52
    right: float = RIGHT

    def place(self, x: float, y: float) -> tuple[float, float]:
        """A point of the data on the drawing."""
        across = self.left + self.x.share(x) * (WIDTH - self.left - self.right)
        return across, HEIGHT - BOTTOM - self.y.share(y) * (HEIGHT - TOP - BOTTOM)

    def path(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        """The `d` of a line through points of the data."""
        places = (self.place(x, y) for x, y in zip(xs, ys, strict=True))
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)

    def x_marks(self, label: Callable[[float], str] = short_number, whole: bool = False) -> str:
        """Numbers below the drawing, as many as stand beside one another; with `whole`, whole ones only."""
        out, last = [], -math.inf
        for tick in self.x.ticks():
            if whole and tick % 1:
                continue
            x, text = self.place(tick, self.y.low)[0], label(tick)
            half = 3.4 * len(text)  # about half of its width
            if x - half > max(last + 6, 0) and x + half < WIDTH:
                middle = f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{escape(text)}</text>'
                out.append(middle)
                last = x + half
        return "".join(out)

    def y_marks(self, label: Callable[[float], str] = short_number) -> str:
        """Lines across the drawing, and numbers to the left of them."""
        out = []
        for tick in self.y.ticks():
            y = self.place(self.x.low, tick)[1]
            out.append(f'<path class="grid" d="M{self.left:g} {y:.1f}H{WIDTH - self.right:g}"/>')
            out.append(f'<text x="{self.left - 6:g}" y="{y + 4:.1f}" text-anchor="end">{escape(label(tick))}</text>')
        return "".join(out)


def drawing(title: str, content: str, below: str = "", left: float = 52) -> str:
    """An SVG with a title above what is drawn, and with a line of text below it."""
    middle = (left + WIDTH - RIGHT) / 2
    lower = f'<text x="{middle:g}" y="{HEIGHT - 6}" text-anchor="middle">{escape(below)}</text>' if below else ""
    upper = f'<text class="title" x="{left:g}" y="18">{escape(title)}</text>'
    label = f'role="img" aria-label="{escape(title)}"'
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" {label}>{upper}{lower}{content}</svg>'


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """About so many round numbers, in steps of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """About `most` round numbers or fewer on a logarithmic axis, as fine as that allows.

    A range with fewer than three of them, which is a short one, gets even steps; one of many
    decades gets powers of ten, and not all of them.
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for factors in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        found = [factor * 10.0**decade for decade in decades for factor in factors]
        found = [tick for tick in found if low <= tick <= high]
        if len(found) <= most:
            break
    if len(found) < 3:
        return ticks(low, high)
    return found[:: math.ceil(len(found) / (most + 1))]
