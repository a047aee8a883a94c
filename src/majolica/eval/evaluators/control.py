"""Control accuracy: do the pictures have the properties that were asked for?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from majolica.eval.brush import Brush
from majolica.eval.control.cross_talk import excess, measure_cross_talk, measure_own_cross_talk
from majolica.eval.control.statistics import FloatArray
from majolica.eval.control.sweep import Sweep, choose_values, paint_sweep
from majolica.eval.protocol import NO_PROPERTIES, EvalData, Figure, PipelineLike, Result, Table
from majolica.html.charts import charts
from majolica.html.matrices import share_matrix
from majolica.plurals import counted
from majolica.properties.registry import find_property

PROJECTED = (
    "Predictions were projected to them, as in use: this measures what pictures become, and not what the model has"
    " learned of a property."
)
KINDS = {
    "control_": ("Control of properties", PROJECTED),
    "control_plain_": (
        "Control by the model alone",
        "The model alone followed them, without projection and calibration.",
    ),
    "control_held_": ("Control with all else held", f"All other properties were held. {PROJECTED}"),
}
"""Title and explanation by what the names of metrics begin with."""


@dataclass(frozen=True)
class Control:
    """Sets every property to several values on several prompts, and measures the pictures.

    The values are spread over those that the held-out pictures have (from the 2nd to the 98th
    percentile), within the range of the property, because training showed no others. A prompt keeps
    its seed at all values, so that only the property changes. `control_rho` is that of brightness
    or, without brightness, that of the first property.
    """

    properties: tuple[str, ...]
    prompts: int = 8
    seeds: int = 1
    """Pictures of every prompt at every value."""
    values: int = 7
    brush: Brush = field(default_factory=Brush)
    plain: bool = False
    """Whether the model alone follows the properties, without projection and calibration."""
    name: str = "control"

    def count_paintings(self, data: EvalData) -> float:
        """Return the number of pictures that it paints."""
        count = len(self.properties) * self.values * len(data.plain_prompts(self.prompts)) * self.seeds
        return count * (2 if self.brush.hold else 1)

    def explain_lack(self, data: EvalData) -> str:
        """Return what it needs and the data lack."""
        return data.explain_no_captions() if self.properties else NO_PROPERTIES

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        prompts = data.plain_prompts(self.prompts)  # names say nothing of a background, so that it can change
        sweeps = {
            name: paint_sweep(pipeline, name, prompts * self.seeds, values, self.brush, self.plain)
            for name, values in ((name, choose_values(name, data, self.values)) for name in self.properties)
        }
        accuracy = {name: sweep.accuracy() for name, sweep in sweeps.items()}
        painted_PP = measure_cross_talk(list(sweeps.values()))
        own_PP = measure_own_cross_talk(self.properties, data.reference_split())
        metrics = {f"control_{key}_{name}": value for name, found in accuracy.items() for key, value in found.items()}
        lead = "brightness" if "brightness" in sweeps else self.properties[0]
        beyond = np.abs(excess(painted_PP, own_PP))
        if np.isfinite(beyond).any():
            largest, mean = float(np.nanmax(beyond)), float(np.nanmean(beyond))
            metrics = {"control_cross_talk": largest, "control_cross_talk_mean": mean, **metrics}
        metrics = {"control_rho": metrics[f"control_rho_{lead}"], **metrics}
        prefix = "control_plain_" if self.plain else "control_held_" if self.brush.hold else "control_"
        metrics = {name.replace("control_", prefix, 1): value for name, value in metrics.items()}
        title, how = KINDS[prefix]
        note = (
            f"Each property was set to {counted(self.values, 'value')} on {counted(len(prompts), 'prompt')}"
            f" ({counted(self.values * len(prompts) * self.seeds, 'picture')}), and then measured on the pixels."
            f"{' The prompts say nothing about light or background.' if data.names else ''} {how}"
        )
        parts: tuple[Figure | Table, ...] = (
            *(sweep.figure(prompts) for sweep in sweeps.values()),
            _accuracy_table(sweeps, accuracy),
            Figure("Requested against measured", charts([sweep.plot() for sweep in sweeps.values()])),
            *_cross_talk_figures(self.properties, painted_PP, own_PP),
        )
        counts = {"prompts": prompts, "seeds": self.seeds, "values": self.values, "plain": self.plain}
        intervals = choose_intervals(accuracy, prefix)
        protocol = {**self.brush.record, **data.record, "properties": list(self.properties), **counts}
        protocol["calibration"] = "" if self.plain else describe_calibration(pipeline)
        if files := [source for name in self.properties if (source := find_property(name).source)]:
            protocol["property_files"] = files
        return Result(title, metrics, parts, note, protocol, intervals)


def describe_calibration(pipeline: PipelineLike) -> str:
    """Return the hash of the calibration that a pipeline follows; "" if it has none."""
    found = getattr(getattr(pipeline, "pipeline", pipeline), "calibration", None)
    return hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest() if found else ""


def choose_intervals(accuracy: Mapping[str, Mapping[str, float]], prefix: str) -> dict[str, tuple[float, float]]:
    """Return the intervals of rho and of the difference of each property, by the names of their metrics."""
    return {
        f"{prefix}{key}_{name}": (found[f"{key}_low"], found[f"{key}_high"])
        for name, found in accuracy.items()
        for key in ("rho", "difference")
    }


def _accuracy_table(sweeps: Mapping[str, Sweep], accuracy: Mapping[str, Mapping[str, float]]) -> Table:
    rows = []
    for name, found in accuracy.items():
        entry, requested_V = find_property(name), sweeps[name].requested_V
        places = 0 if entry.span > 10 else 2
        rows.append(
            [
                name.replace("_", " "),
                entry.unit,
                f"{requested_V[0]:.{places}f} to {requested_V[-1]:.{places}f}",
                f"{found['rho']:.2f} ({found['rho_low']:.2f} to {found['rho_high']:.2f})",
                f"{found['difference']:.3f} ({found['difference_low']:.3f} to {found['difference_high']:.3f})",
                f"{found['within_5_percent']:.0%}",
                f"{found['right_steps']:.0%}",
            ]
        )
    header = ("property", "unit", "requested", "rho", "difference", "within ±5% of the range", "steps the right way")
    note = (
        "Rho is Spearman's, and for a hue the circular correlation of Fisher and Lee. The difference is the mean of"
        " |requested - measured| as a share of the range. In brackets stand 95 % intervals over the prompts."
    )
    return Table("Accuracy", header, rows, note)


def _cross_talk_figures(names: Sequence[str], painted_PP: FloatArray, own_PP: FloatArray) -> list[Figure]:
    labels = [name.replace("_", " ") for name in names]
    painted = (
        "The row is the property that was set, the column how far each measure moved, in units of its range, when"
        " the property moved over its whole range. Perfect control has 1.00 on the diagonal."
    )
    beyond = (
        "Beside the diagonal some movement cannot be avoided, because a dark picture has little contrast. Here stands"
        " what is left when the movement in real pictures of the same things is subtracted."
    )
    beyond_PP = excess(painted_PP, own_PP)
    return [
        Figure("Cross-talk", share_matrix(painted_PP.tolist(), labels, labels), painted),
        Figure("Cross-talk beyond the data's own", share_matrix(beyond_PP.tolist(), labels, labels), beyond),
    ]
