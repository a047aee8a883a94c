"""What control costs and where it ends: is the thing still there, and who wins if caption and property disagree?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from majolica.data.loading.split import space_evenly
from majolica.eval.brush import Brush
from majolica.eval.control.statistics import FloatArray, deviation
from majolica.eval.control.sweep import Sweep, choose_values, paint_sweep
from majolica.eval.judge.panel import Panel, recognise_together
from majolica.eval.protocol import NO_PROPERTIES, EvalData, PipelineLike, Result, Table
from majolica.plurals import counted
from majolica.properties.registry import find_property, measure_property


@dataclass(frozen=True)
class ControlLimits:
    """Paints held-out captions without properties, and with each property at the ends of its values.

    * Content: in how many of the pictures the strict judges see what the caption names, and in how many
      the model's own eye does.
    * Contest: the captions name a background, which says something of brightness, colour and contrast.
      At the end that is farther from what a picture measures without the property, this is the share
      of the way that the property moves it: 1 if the property wins, 0 if the caption does.
    * Round trip: a property that is turned and turned back gives the first picture, bit for bit.
    """

    properties: tuple[str, ...]
    panel: Callable[[], Panel]
    captions: int = 24
    brush: Brush = field(default_factory=Brush)
    name: str = "control-limits"

    def count_paintings(self, data: EvalData) -> float:
        """Return the number of pictures that it paints."""
        ends = sum(len(self._ends(name, data)) for name in self.properties)
        count = min(self.captions, len(data.prompts()))
        return count * (1 + ends) + (count if self.properties else 0)

    def explain_lack(self, data: EvalData) -> str:
        """Return what it needs and the data lack."""
        return data.explain_no_drawings() if self.properties else NO_PROPERTIES

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        title = "Limits of control"
        source = data.prompts()
        chosen = space_evenly(len(source), self.captions)
        prompts, names = [source.captions[i] for i in chosen], [source.shown(i) for i in chosen]
        plain_B3HW = self.brush.paint(pipeline, prompts)
        sweeps = {
            name: paint_sweep(pipeline, name, prompts, self._ends(name, data), self.brush) for name in self.properties
        }
        first = sweeps[self.properties[0]]
        again = self.brush.paint(pipeline, prompts, None, {first.name: float(first.requested_V[0])})
        judges = Witnesses(self.panel(), pipeline, data.names, names)
        seen, named = judges.ask(plain_B3HW)
        metrics = {
            "control_round_trip": float(torch.equal(again, first.images_VB3HW[0])),
            "content_plain": seen,
            "content_plain_own_eye": named,
        }
        rows = [["none", "–", f"{seen:.0%}", f"{named:.0%}", "–"]]
        for name, sweep in sweeps.items():
            seen, named = judges.ask(sweep.images_VB3HW.flatten(0, 1))
            won = measure_contest(sweep, plain_B3HW)
            metrics |= {f"content_{name}": seen, f"content_own_eye_{name}": named}
            if np.isfinite(won):
                metrics[f"contest_{name}"] = won
            ends = " or ".join(f"{value:.3g}" for value in sweep.requested_V)
            rows.append([name.replace("_", " "), ends, f"{seen:.0%}", f"{named:.0%}", f"{won:.2f}"])
        header = ("property", "set to", "judges see the thing", "own eye names it", "property wins")
        note = (
            f"{counted(len(prompts), 'held-out caption')}, which name a thing and a background. The last column says"
            " who wins where they disagree: 1 is the property, 0 the caption."
        )
        protocol = {**self.brush.record, **data.record, "properties": list(self.properties), "captions": len(prompts)}
        return Result(title, metrics, (Table("Content and contest", header, rows),), note, protocol)

    def _ends(self, name: str, data: EvalData) -> FloatArray:
        """The ends of the values that real pictures have; four angles around the circle."""
        values = choose_values(name, data, 4)
        return values if find_property(name).circular else values[[0, -1]]


@dataclass(frozen=True)
class Witnesses:
    """Those who say whether pictures show what their captions name."""

    panel: Panel
    pipeline: PipelineLike
    names: Sequence[str]
    shown: Sequence[Sequence[str]]
    """What each of B captions names."""

    def ask(self, images_R3HW: Tensor) -> tuple[float, float]:
        """The share of pictures in which the judges see it, and in which the model itself does.

        R is a multiple of B: pictures of all captions, several times.
        """
        index = {name: place for place, name in enumerate(self.names)}
        wanted = [{index[name] for name in names} for names in self.shown] * (len(images_R3HW) // len(self.shown))
        seen = recognise_together(self.panel.answer(images_R3HW), wanted).float().mean()
        similar_RK = self.pipeline.embed_images(images_R3HW) @ self.pipeline.embed_labels(self.names).T
        named = [int(best) in some for best, some in zip(similar_RK.argmax(1), wanted, strict=True)]
        return float(seen), float(np.mean(named))


def measure_contest(sweep: Sweep, plain_B3HW: Tensor) -> float:
    """The median share of the way from what pictures measure without the property to the farther requested end."""
    entry, measured_VB = sweep.entry, sweep.measurements(sweep.name)
    plain_B = measure_property(sweep.name, plain_B3HW.float() / 255).double().numpy()
    away_VB = deviation(np.broadcast_to(sweep.requested_V[:, None], measured_VB.shape), plain_B[None], entry)
    left_VB = deviation(np.broadcast_to(sweep.requested_V[:, None], measured_VB.shape), measured_VB, entry)
    farthest_B, every = away_VB.argmax(0), np.arange(len(plain_B))
    away_B = away_VB[farthest_B, every]
    known_B = np.isfinite(plain_B) & (away_B > 0)
    if not known_B.any():
        return float("nan")
    return float(np.median(1 - left_VB[farthest_B, every][known_B] / away_B[known_B]))
