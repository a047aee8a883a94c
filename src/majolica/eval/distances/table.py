"""Shows distances between painted and real pictures in the report."""

from __future__ import annotations

from collections.abc import Sequence

from majolica.eval.distances.measures import Distances
from majolica.eval.protocol import Table

LABELS = {
    "fd_infinity": ("Frechet distance at infinitely many pictures", "0"),
    "fd": ("Frechet distance", "0"),
    "kid": ("KID, kernel distance", "0"),
    "mmd": ("MMD with the kernel of CMMD", "0"),
    "mind": ("MIND, sliced distance", "0"),
    "precision": ("precision", "higher"),
    "recall": ("recall", "higher"),
    "density": ("density", "1"),
    "coverage": ("coverage", "higher"),
}
"""By the beginning of a metric's key: its name, and what is good; longer beginnings stand before shorter ones."""


def distance_table(title: str, found: Distances, beside: Sequence[tuple[str, Distances]] = ()) -> Table:
    """Return a table of distances with their intervals; `beside` are further columns, with their headings."""
    rows = [
        (
            _label(key, found)[0],
            f"{value:.4g}",
            _interval(found.intervals.get(key)),
            *(_number(other.metrics.get(key)) for _, other in beside),
            _label(key, found)[1],
        )
        for key, value in found.metrics.items()
    ]
    header = ("measure", "painted", "95 % interval", *(head for head, _ in beside), "ideal")
    return Table(title, header, rows)


def _label(key: str, found: Distances) -> tuple[str, str]:
    if key == found.frechet:
        return found.title, "0"
    return next(label for start, label in LABELS.items() if key.startswith(start))


def _interval(bounds: tuple[float, float] | None) -> str:
    return f"{bounds[0]:.4g} to {bounds[1]:.4g}" if bounds else "–"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
