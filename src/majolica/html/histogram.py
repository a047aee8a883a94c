"""Histograms, and maps of how often two numbers come together, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from majolica.html.axes import BOTTOM, HEIGHT, TOP, WIDTH, Axis, Frame, drawing
from majolica.html.escape import escape
from majolica.html.numbers import describe_span, short_number

LEFT = 14
"""Margin on the left: no numbers stand there."""


@dataclass(frozen=True)
class Bars:
    """How many values lie in each bin. The bins cut the axis in equal parts."""

    counts: Sequence[int]
    name: str = ""
    """What the pointer shows beside the count."""
    pale: bool = False
    """Whether they stand behind other bars of the same bins, which are then narrower."""


def histogram(
    axis: Axis,
    bars: Sequence[Bars],
    title: str,
    label: Callable[[float], str] = short_number,
    below: str = "",
    mark: float | None = None,
    whole: bool = False,
    open_ended: bool = False,
) -> str:
    """A drawing of `bars` over one axis, each to the scale of its own highest.

    A dashed line stands at `mark`, which may be the median; the text `below` stands under the axis. `whole` says that
    the values are whole numbers, and `open_ended` that the first and the last bin also count what lies beyond the axis.
    """
    frame = Frame(axis, Axis(0, 1), LEFT, LEFT)
    base = f'<path class="grid" d="M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - LEFT}"/>'
    narrow = any(some.pale for some in bars)
    spans = _spans(axis, len(bars[0].counts), label, whole, open_ended)
    drawn = "".join(_draw_bars(some, narrow and not some.pale, spans) for some in bars)
    if mark is not None:
        drawn += f'<path class="mark" d="{frame.path((mark, mark), (0, 1))}"/>'
    return drawing(title, drawn + base + frame.x_marks(label, whole), below, LEFT)


def _spans(axis: Axis, number: int, label: Callable[[float], str], whole: bool, open_ended: bool) -> list[str]:
    """What lies in each of `number` bins, in words."""
    edges = [axis.value(edge / number) for edge in range(number + 1)]
    if open_ended:
        edges[0], edges[-1] = -math.inf, math.inf
    return [describe_span(low, high, label, whole) for low, high in pairwise(edges)]


def _draw_bars(bars: Bars, narrow: bool, spans: Sequence[str]) -> str:
    number, most = len(bars.counts), max([*bars.counts, 1])
    step = (WIDTH - 2 * LEFT) / number
    wide, kind = step / 2 if narrow else step - 1.0, "pale" if bars.pale else "solid"
    out = []
    for i, count in enumerate(bars.counts):
        if count:
            tall = max(1.5, (HEIGHT - TOP - BOTTOM) * count / most)
            tip = f"{spans[i]}: {count:,}{bars.name and ' ' + bars.name}"
            where = f'x="{LEFT + i * step + (step - wide) / 2:.1f}" y="{HEIGHT - BOTTOM - tall:.1f}"'
            size = f'width="{wide:.1f}" height="{tall:.1f}" rx="1"'
            out.append(f'<rect class="{kind}" {where} {size}><title>{escape(tip)}</title></rect>')
    return "".join(out)


def density_map(
    axis: Axis, cells: int, counts: Iterable[tuple[int, int, int]], title: str, unit: str, names: tuple[str, str]
) -> str:
    """A map of how often two numbers on one axis come together.

    `counts` holds column, row and number of each cell that is not 0.

    `names` are those of the two numbers, to the right and upwards, both measured in `unit`. A
    dashed diagonal shows where they are equal.
    """
    found = list(counts)
    side = HEIGHT - TOP - BOTTOM
    left, ground, step = (WIDTH - side) / 2, HEIGHT - BOTTOM, side / cells
    most = max((number for _, _, number in found), default=1)
    dots = []
    for column, row, number in found:
        middles = [axis.value((place + 0.5) / cells) for place in (column, row)]
        tip = f"about {middles[0]:,.0f} x {middles[1]:,.0f} {unit}: {number:,}"
        strength = 0.25 + 0.75 * math.log1p(number) / math.log1p(most)
        where = f'x="{left + column * step:.1f}" y="{ground - (row + 1) * step:.1f}"'
        size = f'width="{step:.2f}" height="{step:.2f}" opacity="{strength:.2f}"'
        dots.append(f'<rect class="solid" {where} {size}><title>{escape(tip)}</title></rect>')
    lines = f'<path class="grid" d="M{left:.1f} {TOP}h{side}v{side}h-{side}z"/>'
    lines += f'<path class="mark" d="M{left:.1f} {ground}L{left + side:.1f} {TOP}"/>'
    words = f'<text x="{left + side + 8:.1f}" y="{ground}">{escape(names[0])}</text>'
    words += f'<text x="{left - 8:.1f}" y="{TOP + 10}" text-anchor="end">{escape(names[1])}</text>'
    for value, x, anchor in ((axis.low, left, "start"), (axis.high, left + side, "end")):
        text = escape(f"{value:,.0f} {unit}")
        words += f'<text x="{x:.1f}" y="{ground + 16}" text-anchor="{anchor}">{text}</text>'
    return drawing(title, lines + "".join(dots) + words, left=LEFT)
