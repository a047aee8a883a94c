"""Line charts and scatter plots as inline SVG, drawn in the page's own colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 420, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 30, 40


@dataclass(frozen=True)
class Points:
    """Coordinates of a line or of a cloud."""

    x: Sequence[float]
    y: Sequence[float]


def line_chart(points: Points, title: str, x_label: str, log: bool = False) -> str:
    """The points as a faint line and their running mean as a bold one; `log` for a logarithmic y axis."""
    kept = [(x, y) for x, y in zip(points.x, points.y, strict=True) if math.isfinite(y) and (y > 0 or not log)]
    if len(kept) < 2:
        return ""
    kept = _thin(kept)
    xs, ys = zip(*kept, strict=True)
    frame = _Frame.around(xs, ys, log)
    faint, bold = frame.path(xs, ys), frame.path(xs, _smooth(ys))
    marks = f'<path class="faint" d="{faint}"/><path class="line" d="{bold}"/>'
    return frame.svg(title, x_label, marks)


def scatter(points: Points, title: str, x_label: str, y_label: str) -> str:
    """A cloud of points with the diagonal on which y would equal x; both axes share their range."""
    both = [*points.x, *points.y]
    low, high = _room(min(both), max(both), 0.06)
    frame = _Frame((low, high), (low, high), False)
    diagonal = f'<path class="diagonal" d="{frame.path((low, high), (low, high))}"/>'
    places = [frame.place(x, y) for x, y in zip(points.x, points.y, strict=True)]
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places)
    return frame.svg(f"{title}, {y_label}", x_label, f"{diagonal}{dots}")


@dataclass(frozen=True)
class _Frame:
    """Axes: from data to the page."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    log: bool

    @classmethod
    def around(cls, xs: Sequence[float], ys: Sequence[float], log: bool) -> _Frame:
        low, high = min(ys), max(ys)
        if log:
            return cls(_room(min(xs), max(xs), 0), (low / 1.1, high * 1.1), True)
        return cls(_room(min(xs), max(xs), 0), _room(low, high, 0.06), False)

    def place(self, x: float, y: float) -> tuple[float, float]:
        scale: Callable[[float], float] = math.log if self.log else float
        low, high = map(scale, self.y_range)
        across = (x - self.x_range[0]) / (self.x_range[1] - self.x_range[0])
        up = (scale(y) - low) / (high - low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def path(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        places = (self.place(x, y) for x, y in zip(xs, ys, strict=True))
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)

    def svg(self, title: str, x_label: str, marks: str) -> str:
        y_ticks = log_ticks(*self.y_range) if self.log else ticks(*self.y_range)
        out = []
        for tick in y_ticks:
            y = self.place(self.x_range[0], tick)[1]
            out.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
            out.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{short(tick)}</text>')
        for tick in ticks(*self.x_range):
            x = self.place(tick, self.y_range[0])[0]
            out.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{short(tick)}</text>')
        middle = (LEFT + WIDTH - RIGHT) / 2
        out.append(f'<text x="{middle:g}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>')
        out.append(f'<text class="title" x="{LEFT}" y="18">{escape(title)}</text>')
        return f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(out)}{marks}</svg>'


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between `low` and `high`, about so many, in steps of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten in the range; only the powers, or even steps, where that suits."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
    inside = [tick for tick in every if low <= tick <= high]
    if len(inside) < 3:
        return ticks(low, high)
    return inside if len(inside) <= 7 else [tick for tick in inside if f"{tick:e}".startswith("1.0")]


def short(number: float) -> str:
    """A number for an axis: 20k, 1.5M, 0.002, 1e-05."""
    size = abs(number)
    if size >= 1e6:
        return f"{number / 1e6:g}M"
    if size >= 1e4:
        return f"{number / 1e3:g}k"
    return f"{number:.0e}" if 0 < size < 1e-4 else f"{number:g}"


def _room(low: float, high: float, share: float) -> tuple[float, float]:
    if low == high:
        return low - (abs(low) / 2 or 1), high + (abs(high) / 2 or 1)
    return low - share * (high - low), high + share * (high - low)


def _thin(points: list[tuple[float, float]], most: int = 400) -> list[tuple[float, float]]:
    """At most so many points, each the mean of its neighbours."""
    size = math.ceil(len(points) / most)
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]


def _smooth(values: Sequence[float]) -> list[float]:
    """Mean over a centred window of a twelfth of the line, shorter at its ends."""
    reach = len(values) // 24
    out = []
    for i in range(len(values)):
        near = min(reach, i, len(values) - 1 - i)
        window = values[i - near : i + near + 1]
        out.append(sum(window) / len(window))
    return out


def charts(pieces: Sequence[str]) -> str:
    """Charts side by side, as many as there is room for."""
    return f'<div class="charts">{"".join(pieces)}</div>'
