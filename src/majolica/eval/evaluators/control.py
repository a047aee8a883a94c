"""Control accuracy: do the pictures have the properties that were asked for?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from majolica.eval.brush import Brush
from majolica.eval.pictures import figure_picture
from majolica.eval.protocol import EvalData, Figure, PipelineLike, Result, Table, lacks_held_out
from majolica.html.charts import Points, charts, scatter
from majolica.html.figures import picture_rows
from majolica.html.matrices import share_matrix
from majolica.plurals import counted
from majolica.properties.registry import find_property, measure
from majolica.text.articles import with_article


@dataclass(frozen=True)
class Control:
    """Sets every property to several values on several prompts, and measures the pictures.

    The values are spread over those that the held-out pictures have (from the 2nd to the 98th
    percentile), within the range of the property, because training showed no others. A prompt keeps
    its seed at all values, so that only the property changes. There is a Spearman's rho for each
    property, over the pictures of all prompts together. `control_rho` is that of brightness or,
    without brightness, that of the first property.
    """

    properties: tuple[str, ...]
    prompts: int = 8
    values: int = 7
    brush: Brush = field(default_factory=Brush)
    name: str = "control"

    def paintings(self, data: EvalData) -> float:
        """Return the number of pictures that it paints."""
        return len(self.properties) * self.values * len(self._prompts(data))

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        if not self.properties:
            return Result("Control of properties", {}, note="This model was trained without properties.")
        prompts = self._prompts(data)
        sweeps = {name: self._sweep(pipeline, name, prompts, data) for name in self.properties}
        cross_PP = torch.stack([sweep.slopes(self.properties) for sweep in sweeps.values()])
        metrics: dict[str, float] = {}
        for name, sweep in sweeps.items():
            metrics[f"control_rho_{name}"] = spearman(sweep.requested_VB.flatten(), sweep.measurements(name).flatten())
            metrics[f"control_within_5_percent_{name}"] = sweep.within(name)
        lead = "brightness" if "brightness" in sweeps else self.properties[0]
        metrics = {"control_rho": metrics[f"control_rho_{lead}"], **metrics}
        note = (
            f"Each property was set to {counted(self.values, 'value')} on {counted(len(prompts), 'prompt')}"
            f" ({counted(self.values * len(prompts), 'picture')}), and then measured on the pixels."
            " The prompts say nothing about light or background."
        )
        return Result("Control of properties", metrics, self._parts(sweeps, prompts, metrics, cross_PP), note)

    def _prompts(self, data: EvalData) -> list[str]:
        """Return plain prompts for names that are evenly spaced in the list.

        They do not mention the background, so that it can change with the property.
        """
        count = min(self.prompts, len(data.names))
        return [with_article(data.names[i * len(data.names) // count]) for i in range(count)]

    def _sweep(self, pipeline: PipelineLike, name: str, prompts: list[str], data: EvalData) -> _Sweep:
        low, high = _span(name, data)
        requested_V = torch.linspace(low, high, self.values, dtype=torch.float64)
        turns = [self.brush.paint(pipeline, prompts, None, {name: float(value)}) for value in requested_V]
        return _Sweep(name, requested_V, torch.stack(turns))

    def _parts(
        self, sweeps: dict[str, _Sweep], prompts: list[str], metrics: dict[str, float], cross_PP: Tensor
    ) -> tuple[Figure | Table, ...]:
        rows = [
            [
                name,
                find_property(name).unit,
                f"{sweep.requested_V[0]:.2f} to {sweep.requested_V[-1]:.2f}",
                f"{metrics[f'control_rho_{name}']:.2f}",
                f"{metrics[f'control_within_5_percent_{name}']:.0%}",
            ]
            for name, sweep in sweeps.items()
        ]
        header = ("property", "unit", "requested", "Spearman rho", "within ±5% of the range")
        cross = share_matrix(cross_PP.tolist(), self.properties, self.properties)
        cross_note = (
            "The row is the property that was set, the column how far each measure moved, in units of its range, when"
            " the property moved over its whole range. Perfect control has 1.00 on the diagonal. Beside the diagonal,"
            " some movement cannot be avoided, because a dark picture has little contrast."
        )
        return (
            *(sweep.figure(prompts) for sweep in sweeps.values()),
            Table("Accuracy", header, rows),
            Figure("Requested against measured", charts([sweep.plot() for sweep in sweeps.values()])),
            Figure("Cross-talk", cross, cross_note),
        )


@dataclass(frozen=True)
class _Sweep:
    """The pictures of one property that was set to V values on B prompts."""

    name: str
    requested_V: Tensor
    images_VB3HW: Tensor

    @property
    def requested_VB(self) -> Tensor:
        return self.requested_V[:, None].expand(self.images_VB3HW.shape[:2])

    def measurements(self, name: str) -> Tensor:
        """Measure the same or another property on every picture, `(V, B)`."""
        return measure(name, self.images_VB3HW.flatten(0, 1).float() / 255).view(self.images_VB3HW.shape[:2])

    def within(self, name: str) -> float:
        """Return the share of pictures whose measured value is close to the requested one.

        Close means that they differ by at most 5 % of the range of the property.
        """
        allowed = 0.05 * find_property(name).span
        return float(((self.measurements(name) - self.requested_VB).abs() <= allowed).float().mean())

    def slopes(self, names: Sequence[str]) -> Tensor:
        """Return the change of every measured property per change of the request, `(P,)`.

        It is the slope of a least-squares fit. Each change is in units of the property's range.
        """
        own = find_property(self.name).span
        turn_V = (self.requested_V - self.requested_V.mean()) / own
        moves = []
        for name in names:
            moved_V = self.measurements(name).mean(1) / find_property(name).span
            moves.append((turn_V * (moved_V - moved_V.mean())).sum() / (turn_V**2).sum())
        return torch.stack(moves)

    def figure(self, prompts: Sequence[str], most: int = 2) -> Figure:
        """Show rows of pictures along the property, with the requested and the measured values."""
        measured_VB = self.measurements(self.name)
        rows = []
        for column, prompt in list(enumerate(prompts))[:most]:
            pictures = [
                figure_picture(self.images_VB3HW[i, column], "", f"{float(measured_VB[i, column]):.2f}")
                for i in range(len(self.requested_V))
            ]
            rows.append((prompt, pictures))
        requests = [f"{float(value):.2f}" for value in self.requested_V]
        unit = find_property(self.name).unit
        note = f"Above each column stands the {unit} that was requested, below each picture the measured one."
        return Figure(self.name.capitalize(), picture_rows(requests, rows), note)

    def plot(self) -> str:
        points = Points(self.requested_VB.flatten().tolist(), self.measurements(self.name).flatten().tolist())
        return scatter(points, self.name, "requested", "measured")


def _span(name: str, data: EvalData) -> tuple[float, float]:
    """Return the range of the requested values (see `Control`)."""
    entry = find_property(name)
    pictures = data.heldout if len(data.heldout) else data.combinations
    if not len(pictures):
        raise lacks_held_out("pictures to take the range of a property from")
    found_B = measure(name, pictures.images_B3HW.float() / 255)
    low, high = torch.quantile(found_B, torch.tensor([0.02, 0.98])).clamp(entry.low, entry.high).tolist()
    return (low, high) if high > low else (entry.low, entry.high)


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Return Spearman's rank correlation; equal values get the mean of their ranks.

    It is 0 if either side is constant.
    """
    ranks = [_ranks(np.asarray(values, dtype=np.float64)) for values in (first, second)]
    centred = [rank - rank.mean() for rank in ranks]
    scale = np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum())
    return float((centred[0] * centred[1]).sum() / scale) if scale > 0 else 0.0


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    mean: NDArray[np.float64] = (last - (counts - 1) / 2)[inverse]
    return mean
