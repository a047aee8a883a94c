"""Cross-talk: what else moves when one property is turned, and how much of it the data themselves explain.

Every entry says how far a measure moves, in units of its range, when a property moves over its whole
range. Perfect control has 1 on the diagonal. Beside it some movement cannot be avoided, because a
dark picture has little contrast: pictures of the same things show how much.

Shapes: P properties, N pictures or pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from majolica.eval.control.statistics import FloatArray
from majolica.eval.control.sweep import Sweep
from majolica.eval.protocol import Split
from majolica.properties.registry import find_property, measure_all


def measure_cross_talk(sweeps: Sequence[Sweep]) -> FloatArray:
    """The matrix `(P, P)` of painted pictures: the row is the property that was set.

    NaN in the columns of circular properties, whose movement has no sign.
    """
    names = [sweep.name for sweep in sweeps]
    rows = []
    for sweep in sweeps:
        measured = [sweep.measurements(name) for name in names]
        requested_VB = np.broadcast_to(sweep.requested_V[:, None], measured[0].shape)
        groups_VB = np.broadcast_to(np.arange(requested_VB.shape[1]), requested_VB.shape)
        columns = zip(names, measured, strict=True)
        rows.append([_move(sweep.name, name, requested_VB, m_VB, groups_VB) for name, m_VB in columns])
    return np.array(rows)


def measure_own_cross_talk(names: Sequence[str], pictures: Split) -> FloatArray:
    """The same matrix of real pictures, compared within those that show the same things."""
    values_NP = measure_all(names, pictures.images_B3HW.float() / 255).double().numpy()
    shown = ["|".join(pictures.shown(i)) for i in range(len(pictures))]
    _, groups_N = np.unique(shown, return_inverse=True)
    columns = list(zip(names, values_NP.T, strict=True))
    return np.array([[_move(a, b, x, y, groups_N) for b, y in columns] for a, x in columns])


def _move(turned: str, name: str, x: FloatArray, y: FloatArray, groups: np.ndarray) -> float:
    """How far the measure `name` moves with the values `x` of the property `turned`, within groups of pictures."""
    entry, seen = find_property(turned), find_property(name)
    known = np.isfinite(x) & np.isfinite(y)
    if seen.circular or known.sum() < 3:
        return np.nan
    y_N, groups_N = _within(y[known] / seen.span, groups[known]), groups[known]
    if entry.circular:
        return _amplitude(x[known] * 2 * np.pi / entry.span, y_N)
    x_N = _within(x[known] / entry.span, groups_N)
    spread = (x_N**2).sum()
    return float((x_N * y_N).sum() / spread) if spread > 0 else np.nan


def _within(values_N: FloatArray, groups_N: np.ndarray) -> FloatArray:
    """The values less the means of their groups."""
    totals = np.bincount(groups_N, values_N)
    means: FloatArray = (totals / np.maximum(np.bincount(groups_N), 1))[groups_N]
    return values_N - means


def _amplitude(angle_N: FloatArray, y_N: FloatArray) -> float:
    """Twice the amplitude of the wave of one period that fits best: the distance from its trough to its crest."""
    waves = np.stack((np.ones_like(angle_N), np.cos(angle_N), np.sin(angle_N)), 1)
    fitted, *_ = np.linalg.lstsq(waves, y_N, rcond=None)
    return float(2 * np.hypot(fitted[1], fitted[2]))


def excess(painted_PP: FloatArray, own_PP: FloatArray) -> FloatArray:
    """What cannot be blamed on the data: the way from each entry to the nearest between 0 and the data's own.

    Less movement than in the data is no fault. NaN on the diagonal.
    """
    out = painted_PP - np.clip(painted_PP, np.minimum(own_PP, 0), np.maximum(own_PP, 0))
    np.fill_diagonal(out, np.nan)
    return out
