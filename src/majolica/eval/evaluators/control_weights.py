"""What the weight of properties does: control and cross-talk of the model alone, at several weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from majolica.eval.brush import Brush
from majolica.eval.control.cross_talk import excess, measure_cross_talk, measure_own_cross_talk
from majolica.eval.control.statistics import FloatArray
from majolica.eval.control.sweep import choose_values, paint_sweep
from majolica.eval.protocol import NO_PROPERTIES, EvalData, Figure, PipelineLike, Result, Table
from majolica.html.charts import Points, charts, line_chart
from majolica.html.matrices import share_matrix
from majolica.plurals import counted

WEIGHTS = (1.0, 2.0, 3.0, 5.0)


@dataclass(frozen=True)
class ControlWeights:
    """Turns every property through its values at several guidance weights.

    More weight follows a property more closely and moves other properties with it. The model alone is measured,
    because projection moves pictures to what was asked for at any weight.
    """

    properties: tuple[str, ...]
    weights: tuple[float, ...] = WEIGHTS
    prompts: int = 4
    values: int = 5
    brush: Brush = field(default_factory=Brush)
    name: str = "control-weights"

    def count_paintings(self, data: EvalData) -> float:
        """Return the number of pictures that it paints."""
        return len(self.weights) * len(self.properties) * self.values * len(data.plain_prompts(self.prompts))

    def explain_lack(self, data: EvalData) -> str:
        """Return what it needs and the data lack."""
        return data.explain_no_captions() if self.properties else NO_PROPERTIES

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        own_PP = measure_own_cross_talk(self.properties, data.reference_split())
        points = [self._measure(pipeline, data, weight, own_PP) for weight in self.weights]
        metrics = {}
        for weight, point in zip(self.weights, points, strict=True):
            metrics[f"weight_{weight:g}_rho"] = float(np.mean(list(point.rho.values())))
            if np.isfinite(point.beyond_PP).any():
                metrics[f"weight_{weight:g}_cross_talk"] = point.mean
                metrics[f"weight_{weight:g}_cross_talk_largest"] = point.largest
        prompts = data.plain_prompts(self.prompts)
        protocol = {**self.brush.record, **data.record, "properties": list(self.properties), "prompts": prompts}
        protocol |= {"values": self.values, "weights": list(self.weights)}
        note = (
            f"Each property was set to {counted(self.values, 'value')} on {counted(len(prompts), 'prompt')} at each"
            " weight, without projection. Cross-talk is what moves beside the property, beyond what moves with it in"
            " real pictures of the same things, in units of ranges."
        )
        return Result("Weights of properties", metrics, self._parts(points), note, protocol)

    def _measure(self, pipeline: PipelineLike, data: EvalData, weight: float, own_PP: FloatArray) -> WeightPoint:
        brush, prompts = replace(self.brush, property_guidance=weight), data.plain_prompts(self.prompts)
        sweeps = [
            paint_sweep(pipeline, name, prompts, choose_values(name, data, self.values), brush, plain=True)
            for name in self.properties
        ]
        rho = {sweep.name: sweep.accuracy()["rho"] for sweep in sweeps}
        return WeightPoint(rho, np.abs(excess(measure_cross_talk(sweeps), own_PP)))

    def _parts(self, points: Sequence[WeightPoint]) -> tuple[Figure | Table, ...]:
        labels, weights = [name.replace("_", " ") for name in self.properties], list(self.weights)
        lines = [
            line_chart(Points(weights, [point.rho[name] for point in points]), f"Rho of {label}", "weight")
            for name, label in zip(self.properties, labels, strict=True)
        ]
        talk = line_chart(Points(weights, [point.mean for point in points]), "Mean cross-talk", "weight")
        heats = [
            Figure(f"Cross-talk at a weight of {weight:g}", share_matrix(point.beyond_PP.tolist(), labels, labels))
            for weight, point in zip(weights, points, strict=True)
        ]
        rows = [
            [f"{weight:g}", f"{np.mean(list(point.rho.values())):.2f}", f"{point.mean:.3f}", f"{point.largest:.2f}"]
            for weight, point in zip(weights, points, strict=True)
        ]
        table = Table("By weight", ("weight", "mean rho", "mean cross-talk", "largest cross-talk"), rows)
        return (table, Figure("Control and cross-talk by weight", charts([talk, *lines])), *heats)


@dataclass(frozen=True)
class WeightPoint:
    """What was found at one weight."""

    rho: dict[str, float]
    beyond_PP: FloatArray
    """Cross-talk beyond the data's own, without sign; the row is the property that was set."""

    @property
    def mean(self) -> float:
        """The mean of the entries that are known."""
        return float(np.nanmean(self.beyond_PP)) if np.isfinite(self.beyond_PP).any() else float("nan")

    @property
    def largest(self) -> float:
        """The largest of them."""
        return float(np.nanmax(self.beyond_PP)) if np.isfinite(self.beyond_PP).any() else float("nan")
