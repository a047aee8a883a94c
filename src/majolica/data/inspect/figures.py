"""Histograms and a map of sizes, as SVG in the page's colours."""

from __future__ import annotations

import math
from collections.abc import Callable
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 400, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 14, 14, 34, 30
Values = NDArray[np.float64]


def histogram(values: Values, title: str, label: Callable[[float], str], bins: int = 36) -> str:
    """Counts of `values` (those above zero) over a logarithmic axis, whose ticks read as `label` says."""
    values = values[values > 0]
    if not len(values):
        return ""
    low, high = _room(float(values.min()), float(values.max()))
    counts, edges = np.histogram(np.log(values), bins, (math.log(low), math.log(high)))
    across, up = (WIDTH - _LEFT - _RIGHT) / bins, (HEIGHT - _TOP - _BOTTOM) / int(counts.max())
    bars = []
    for i, count in enumerate(counts.tolist()):
        if count:
            tall = max(1.5, count * up)
            tip = f"{label(math.exp(edges[i]))} to {label(math.exp(edges[i + 1]))}: {count:,}"
            bars.append(
                f'<rect x="{_LEFT + i * across + 0.6:.1f}" y="{HEIGHT - _BOTTOM - tall:.1f}" width="{across - 1.2:.1f}"'
                f' height="{tall:.1f}" rx="1.5"><title>{escape(tip)}</title></rect>'
            )
    middle = float(np.median(values))
    place = _across(middle, low, high)
    mark = f'<path class="mark" d="M{place:.1f} {_TOP - 4}V{HEIGHT - _BOTTOM}"/>'
    note = f'<text class="note" x="{WIDTH - _RIGHT}" y="18" text-anchor="end">median {escape(label(middle))}</text>'
    return _svg(title, "".join(bars) + mark + note + _axis(low, high, label))


def size_map(width: Values, height: Values) -> str:
    """How many pictures are so wide and so high; square ones lie on the diagonal."""
    if not len(width):
        return ""
    both = np.concatenate([width, height])
    low, high = _room(float(both.min()), float(both.max()))
    cells, side = 48, HEIGHT - _TOP - _BOTTOM
    left = (WIDTH - side) / 2
    span = (math.log(low), math.log(high))
    counts = np.histogram2d(np.log(width), np.log(height), cells, (span, span))[0]
    most, step = float(counts.max()), side / cells
    dots = []
    for column, row in np.argwhere(counts):
        tip = f"about {math.exp(span[0] + (column + 0.5) / cells * (span[1] - span[0])):.0f} x "
        tip += f"{math.exp(span[0] + (row + 0.5) / cells * (span[1] - span[0])):.0f} px: {counts[column, row]:,.0f}"
        strength = 0.25 + 0.75 * math.log1p(counts[column, row]) / math.log1p(most)
        dots.append(
            f'<rect x="{left + column * step:.1f}" y="{HEIGHT - _BOTTOM - (row + 1) * step:.1f}" width="{step:.2f}"'
            f' height="{step:.2f}" opacity="{strength:.2f}"><title>{tip}</title></rect>'
        )
    frame = f'<path class="grid" d="M{left:.1f} {_TOP}h{side}v{side}h-{side}z"/>'
    diagonal = f'<path class="mark" d="M{left:.1f} {HEIGHT - _BOTTOM}L{left + side:.1f} {_TOP}"/>'
    names = f'<text x="{left + side + 8:.1f}" y="{HEIGHT - _BOTTOM:.1f}">width</text>'
    names += f'<text x="{left - 8:.1f}" y="{_TOP + 10}" text-anchor="end">height</text>'
    for value, anchor in ((low, "start"), (high, "end")):
        x = left if anchor == "start" else left + side
        names += f'<text x="{x:.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="{anchor}">{value:,.0f} px</text>'
    return _svg("Width and height", frame + diagonal + "".join(dots) + names)


def _room(low: float, high: float) -> tuple[float, float]:
    return (low / 1.5, high * 1.5) if high / low < 1.05 else (low, high * 1.0001)


def _across(value: float, low: float, high: float) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * math.log(value / low) / math.log(high / low)


def _axis(low: float, high: float, label: Callable[[float], str]) -> str:
    """A line with about five ticks at round numbers."""
    out = [f'<path class="grid" d="M{_LEFT} {HEIGHT - _BOTTOM}H{WIDTH - _RIGHT}"/>']
    last = -math.inf
    for tick in _ticks(low, high):
        x = _across(tick, low, high)
        text = label(tick)
        half = 3.4 * len(text)
        if x - half > max(last + 6, 0) and x + half < WIDTH:
            out.append(f'<text x="{x:.1f}" y="{HEIGHT - _BOTTOM + 17}" text-anchor="middle">{escape(text)}</text>')
            last = x + half
    return "".join(out)


def _ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [factor * 10.0**decade for decade in decades for factor in (1, 1.5, 2, 3, 5, 7)]
    inside = [tick for tick in every if low <= tick <= high]
    for fewer in ((1, 2, 5), (1, 3), (1,)):
        if len(inside) > 7:
            inside = [tick for tick in inside if round(tick / 10.0 ** math.floor(math.log10(tick) + 1e-9), 6) in fewer]
    return inside or [math.sqrt(low * high)]


def _svg(title: str, marks: str) -> str:
    head = f'<text class="title" x="{_LEFT}" y="18">{escape(title)}</text>'
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{head}{marks}</svg>'
