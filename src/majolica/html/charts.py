"""Line charts and scatter plots as inline SVG, drawn in the page's own colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from majolica.html.axes import Axis, Frame, drawing


@dataclass(frozen=True)
class Points:
    """Coordinates of a line or of a cloud."""

    x: Sequence[float]
    y: Sequence[float]


def line_chart(points: Points, title: str, x_label: str, log: bool = False) -> str:
    """The points as a faint line and their running mean as a bold one.

    The y axis is logarithmic where `log` is set.

    Points that are not finite, or not positive on a logarithmic axis, are left out; fewer than two
    give nothing.
    """
    kept = [(x, y) for x, y in zip(points.x, points.y, strict=True) if math.isfinite(y) and (y > 0 or not log)]
    if len(kept) < 2:
        return ""
    xs, ys = zip(*_thin(kept), strict=True)
    frame = Frame(Axis.around(xs, margin=0), Axis.around(ys, log))
    faint, bold = frame.path(xs, ys), frame.path(xs, _smooth(ys))
    lines = f'<path class="faint" d="{faint}"/><path class="line" d="{bold}"/>'
    return drawing(title, frame.y_marks() + frame.x_marks() + lines, x_label)


def scatter(points: Points, title: str, x_label: str, y_label: str) -> str:
    """A cloud of points with the diagonal on which y would equal x; both axes share their range."""
    both = Axis.around([*points.x, *points.y])
    frame, ends = Frame(both, both), (both.low, both.high)
    diagonal = f'<path class="diagonal" d="{frame.path(ends, ends)}"/>'
    places = [frame.place(x, y) for x, y in zip(points.x, points.y, strict=True)]
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places)
    return drawing(f"{title}, {y_label}", frame.y_marks() + frame.x_marks() + diagonal + dots, x_label)


def charts(drawings: Sequence[str]) -> str:
    """Drawings side by side, as many as there is room for; empty ones are left out."""
    return f'<div class="charts">{"".join(drawings)}</div>' if any(drawings) else ""


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
