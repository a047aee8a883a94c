"""One property turned through its values: the pictures, what is measured on them, and how that looks.

Shapes: V requested values, B pictures at each value, P properties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from majolica.eval.brush import Brush
from majolica.eval.control.statistics import (
    FloatArray,
    bootstrap,
    correlate,
    deviation,
    share_of_right_steps,
)
from majolica.eval.pictures import figure_picture
from majolica.eval.protocol import EvalData, Figure, PipelineLike, no_held_out_error
from majolica.html.charts import Points, scatter
from majolica.html.figures import picture_rows
from majolica.properties.property import Property
from majolica.properties.registry import find_property, measure_property

CLOSE = 0.05
"""Share of the range by which a measured value may miss the requested one and still count as close."""


@dataclass(frozen=True)
class Sweep:
    """The pictures of one property that was set to V values, B pictures at each."""

    name: str
    requested_V: FloatArray
    images_VB3HW: Tensor

    @property
    def entry(self) -> Property:
        """The property."""
        return find_property(self.name)

    def measurements(self, name: str) -> FloatArray:
        """Measure the same or another property on every picture, `(V, B)`; NaN where it has no value."""
        values = measure_property(name, self.images_VB3HW.flatten(0, 1).float() / 255)
        return values.view(self.images_VB3HW.shape[:2]).double().numpy()

    def accuracy(self) -> dict[str, float]:
        """Correlation, mean absolute difference and share of close values with their intervals, and smoothness.

        The intervals are over the pictures' prompts and seeds, which keep their pictures at all values.
        """
        measured_VB, entry = self.measurements(self.name), self.entry
        requested_VB = np.broadcast_to(self.requested_V[:, None], measured_VB.shape)
        away_VB = deviation(requested_VB, measured_VB, entry)
        count = measured_VB.shape[1]

        def rho(chosen: np.ndarray) -> float:
            return correlate(requested_VB[:, chosen], measured_VB[:, chosen], entry)

        found = rho(np.arange(count))
        rho_low, rho_high = bootstrap(rho, count)  # a prompt that is drawn twice adds ties, which move rho a little
        rho_low, rho_high = min(rho_low, found), max(rho_high, found)
        away_low, away_high = bootstrap(lambda chosen: float(away_VB[:, chosen].mean()), count)
        return {
            "rho": found,
            "rho_low": rho_low,
            "rho_high": rho_high,
            "difference": float(away_VB.mean()),
            "difference_low": away_low,
            "difference_high": away_high,
            "within_5_percent": float((away_VB <= CLOSE).mean()),
            "right_steps": share_of_right_steps(measured_VB, entry),
        }

    def figure(self, prompts: Sequence[str], most: int = 2) -> Figure:
        """Show rows of pictures along the property, with the requested and the measured values."""
        measured_VB = self.measurements(self.name)
        places = 0 if self.entry.span > 10 else 2
        rows = []
        for column, prompt in list(enumerate(prompts))[:most]:
            pictures = [
                figure_picture(self.images_VB3HW[i, column], "", f"{measured_VB[i, column]:.{places}f}")
                for i in range(len(self.requested_V))
            ]
            rows.append((prompt, pictures))
        requests = [f"{value:.{places}f}" for value in self.requested_V]
        note = f"Above each column stands the requested {self.entry.unit}, below each picture the measured one."
        return Figure(self.name.replace("_", " ").capitalize(), picture_rows(requests, rows), note)

    def plot(self) -> str:
        """Requested against measured values, as a cloud; nothing if no picture has a value."""
        measured_VB = self.measurements(self.name)
        requested_VB = np.broadcast_to(self.requested_V[:, None], measured_VB.shape)
        known = np.isfinite(measured_VB)
        if not known.any():
            return ""
        points = Points(requested_VB[known].tolist(), measured_VB[known].tolist())
        return scatter(points, self.name.replace("_", " "), "requested", "measured")


def paint_sweep(
    pipeline: PipelineLike, name: str, prompts: Sequence[str], values: FloatArray, brush: Brush, plain: bool = False
) -> Sweep:
    """Paint every prompt at every value; a prompt keeps its seed, so that only the property changes.

    `plain` leaves out calibration and projection.
    """
    turns = [brush.paint(pipeline, prompts, None, {name: float(value)}, plain) for value in values]
    return Sweep(name, values, torch.stack(turns))


def choose_values(name: str, data: EvalData, count: int) -> FloatArray:
    """Values spread evenly over those that the held-out pictures have, from the 2nd to the 98th percentile.

    They are within the range of the property. Those of a circular one go once around.
    """
    entry = find_property(name)
    if entry.circular:
        return np.linspace(entry.low, entry.high, count, endpoint=False)
    pictures = data.reference_split()
    if not len(pictures):
        raise no_held_out_error("pictures to take the range of a property from")
    found_B = measure_property(name, pictures.images_B3HW.float() / 255)
    found_B = found_B[found_B.isfinite()]
    if not len(found_B):
        return np.linspace(entry.low, entry.high, count)
    low, high = torch.quantile(found_B, torch.tensor([0.02, 0.98])).clamp(entry.low, entry.high).tolist()
    return np.linspace(low, high, count) if high > low else np.linspace(entry.low, entry.high, count)
