"""Matrices: small ones as shaded tables, larger ones as drawings."""

from __future__ import annotations

import math
from collections.abc import Sequence

from majolica.html.escape import escape


def share_matrix(values: Sequence[Sequence[float]], rows: Sequence[str], columns: Sequence[str]) -> str:
    """A small table of numbers, shaded by size; NaN is shown as a dash."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        f"<tr><th>{escape(row)}</th>" + "".join(map(_cell, line)) + "</tr>"
        for row, line in zip(rows, values, strict=True)
    )
    return f'<div class="scroll"><table class="matrix"><tr><th></th>{head}</tr>{body}</table></div>'


def _cell(value: float) -> str:
    if math.isnan(value):
        return '<td style="--v:0.00">–</td>'
    return f'<td style="--v:{min(1.0, abs(value)):.2f}">{value:z.2f}</td>'


def confusion_heat(counts: Sequence[Sequence[int]], names: Sequence[str], cell: int = 15) -> str:
    """A confusion matrix as SVG, with rows shaded by their shares.

    Right and wrong answers have two colours.
    """
    margin = 8 + round(6.2 * max(map(len, names)))
    side = margin + cell * len(names)
    labels, cells = [], []
    for i, name in enumerate(names):
        middle = margin + cell * (i + 0.5)
        labels.append(f'<text x="{margin - 5}" y="{middle + 3:g}" text-anchor="end">{escape(name)}</text>')
        turn = f'transform="rotate(-90 {middle + 3:g} {margin - 5})"'
        labels.append(f'<text x="{middle + 3:g}" y="{margin - 5}" {turn}>{escape(name)}</text>')
    for i, row in enumerate(counts):
        whole = sum(row)
        for j, count in enumerate(row):
            if count:
                kind = "hit" if i == j else "miss"
                where = f'x="{margin + cell * j}" y="{margin + cell * i}" width="{cell - 1}" height="{cell - 1}"'
                title = f"{names[i]}: {int(count)} of {int(whole)} called {names[j]}"
                rect = f'<rect class="{kind}" {where} rx="2" opacity="{0.15 + 0.85 * count / whole:.2f}">'
                cells.append(f"{rect}<title>{escape(title)}</title></rect>")
    frame = f'<rect class="ground" x="{margin}" y="{margin}" width="{side - margin}" height="{side - margin}"/>'
    return (
        f'<div class="scroll"><svg class="heat" viewBox="0 0 {side} {side}" style="min-width:{side}px;'
        f'max-width:{round(1.6 * side)}px" role="img">{frame}{"".join(labels)}{"".join(cells)}</svg></div>'
    )
