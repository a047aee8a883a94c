"""Memorisation: are painted pictures nearer to the training pictures than unseen real pictures are?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from majolica.config.run import RunConfig
from majolica.eval.embedders import image_embeddings
from majolica.eval.memorisation.copying import median, median_ratio, probability_nearer, share_nearer
from majolica.eval.memorisation.neighbours import SIDE, Nearest, find_nearest, thumbnails
from majolica.eval.paintings import Painted, Paintings
from majolica.eval.pictures import figure_picture
from majolica.eval.protocol import EvalData, Figure, PipelineLike, Result, Table
from majolica.eval.training_pictures import TrainingPictures
from majolica.html.figures import FigurePicture, picture_rows
from majolica.metrics.intervals import wilson_interval
from majolica.plurals import counted

SAME = 1 / 255
"""Root mean square difference in pixels below which two pictures count as one and the same."""
SPACES: Mapping[str, str] = {"pixels": "pixels", "features": "its own features"}
"""The spaces in which distances are measured, with their names for people."""


@dataclass(frozen=True)
class Sides:
    """The nearest training pictures of P painted and of R real pictures, in one space."""

    painted: Nearest
    """Of P pictures."""
    real_R: Tensor
    """Distances of the real pictures that are no copies of training pictures."""

    @property
    def odds_P(self) -> Tensor:
        """The share of the real pictures that are as near as each painted one."""
        return share_nearer(self.painted.distance_Q, self.real_R)


@dataclass(frozen=True)
class Memorisation:
    """How near painted pictures are to the nearest training picture, beside unseen real pictures of the same captions.

    Two distances are measured: that of the pixels of `SIDE` px thumbnails, and that of the model's own image
    embeddings. A painted picture counts as memorised if in both of them at most the share `quantile` of the
    real pictures are as near. A painter that knows the distribution and remembers no picture therefore has
    at most about this share. Real pictures that are themselves in the training data are left
    out, unless all are.
    """

    config: RunConfig
    """That of the run: it names the training data, and says whether training mirrors them."""
    painted: Paintings
    most: int = 20_000
    """Training pictures that are looked through; more are thinned evenly."""
    quantile: float = 0.01
    pairs: int = 12
    """Pairs that the figure shows."""
    name: str = "memorisation"

    def count_paintings(self, data: EvalData) -> float:
        """Return the number of pictures that it paints, if no other evaluator has painted them."""
        return self.painted.claim(data)

    def explain_lack(self, data: EvalData) -> str:
        """Return why it cannot be measured, if there are no unseen pictures to compare with."""
        if not (data.combinations or data.heldout):
            return "There are no held-out pictures to compare painted ones with."
        return data.explain_trained_on()

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        painted, real = self.painted.paint(pipeline, data), data.prompts()
        with TrainingPictures(self.config) as training:
            found, looked = find_nearest(
                torch.cat((painted.images_B3HW, real.images_B3HW)),
                (part.images_B3HW for part in training.read(self.most)),
                {"pixels": thumbnails, "features": lambda images_B3HW: image_embeddings(pipeline, images_B3HW)},
                mirror=self.config.data.flip,
            )
            total, manifest = len(training), training.manifest
        count = len(painted.prompts)
        leaked_R = found["pixels"].distance_Q[count:] < SAME
        fresh_R = ~leaked_R if not bool(leaked_R.all()) else torch.ones_like(leaked_R)
        sides = {name: _separate(found[name], count, fresh_R) for name in SPACES}
        near_P = torch.stack([side.odds_P for side in sides.values()]).max(0).values
        metrics, intervals = _measure(sides, near_P <= self.quantile)
        real_odds = torch.stack([share_nearer(side.real_R, side.real_R) for side in sides.values()]).max(0).values
        metrics["memorised_share_real"] = float((real_odds <= self.quantile).float().mean())
        metrics["heldout_in_training"] = float(leaked_R.float().mean())
        metrics["memorisation_training_pictures"] = float(looked)
        protocol = {
            **data.record,
            **self.painted.brush.record,
            **{"painted": count},
            **{"training_pictures": looked, "training_total": total, "training_manifest": manifest},
            **{"mirrored": self.config.data.flip, "thumbnail": SIDE, "quantile": self.quantile},
        }
        note = self._describe(metrics, intervals, count, looked, total)
        parts = (_table(metrics, intervals), self._figure(painted, sides, near_P))
        own = tuple(name for name in metrics if "features" in name or name.startswith("memorised"))
        return Result("Memorisation", metrics, parts, note, protocol, intervals, own)

    def _describe(
        self,
        metrics: Mapping[str, float],
        intervals: Mapping[str, tuple[float, float]],
        count: int,
        looked: int,
        total: int,
    ) -> str:
        low, high = intervals["memorised_share"]
        some = "all" if looked == total else "evenly spaced ones of"
        return (
            f"Each of {counted(count, 'painted picture')} was compared with {looked:,} training pictures, {some}"
            f" {total:,}{', and with their mirror images' if self.config.data.flip else ''}."
            f" {metrics['memorised_share']:.1%} ({low:.1%} to {high:.1%}) are memorised: in pixels and in the model's"
            f" own features, they are nearer to a training picture than {1 - self.quantile:.0%} of real pictures that"
            f" were never trained on. Of these real ones {metrics['memorised_share_real']:.1%} are as near in both."
            + (
                f" {metrics['heldout_in_training']:.1%} of the held-out pictures are in the training data themselves,"
                + (" and were left out." if metrics["heldout_in_training"] < 1 else " so that nothing can be compared.")
                if metrics["heldout_in_training"]
                else ""
            )
            + " A soft picture is near to many pictures in pixels, so neither distance decides alone."
        )

    def _figure(self, painted: Painted, sides: Mapping[str, Sides], near_P: Tensor) -> Figure:
        """Show the painted pictures that are nearest to training pictures, relative to real ones."""
        distance_P = sides["pixels"].painted.distance_Q
        order = sorted(range(len(near_P)), key=lambda i: (float(near_P[i]), float(distance_P[i])))[: self.pairs]
        rows: list[tuple[str, list[FigurePicture]]] = []
        for i in order:
            line = [figure_picture(painted.images_B3HW[i], verdict=_verdict(near_P[i], self.quantile), right=None)]
            for side in sides.values():
                nearest = side.painted
                mirrored = ", mirrored" if nearest.mirrored_Q[i] else ""
                image_3HW = nearest.images_Q3HW[i].flip(2) if mirrored else nearest.images_Q3HW[i]
                verdict = f"distance {float(nearest.distance_Q[i]):.3f}{mirrored}; real {median(side.real_R):.3f}"
                line.append(figure_picture(image_3HW, verdict=verdict))
            rows.append((painted.prompts[i], line))
        heads = ("painted", *(f"nearest in {space}" for space in SPACES.values()))
        note = (
            "These are the painted pictures that are nearest to training pictures, the nearest first. Below a training"
            " picture stands its distance, and the median distance of real pictures that were never trained on."
        )
        return Figure("Painted pictures and their nearest training pictures", picture_rows(heads, rows), note)


def _separate(found: Nearest, count: int, fresh_R: Tensor) -> Sides:
    """Separate what was found of the `count` painted pictures from that of the real ones, of which `fresh_R` count."""
    painted = Nearest(found.distance_Q[:count], found.images_Q3HW[:count], found.mirrored_Q[:count])
    return Sides(painted, found.distance_Q[count:][fresh_R])


def _measure(
    sides: Mapping[str, Sides], memorised_P: Tensor
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Return the metrics and their intervals."""
    share = float(memorised_P.float().mean())
    metrics = {"memorised_share": share}
    intervals = {"memorised_share": wilson_interval(share, len(memorised_P))}
    for name, side in sides.items():
        distance_P = side.painted.distance_Q
        metrics[f"nearest_{name}"] = median(distance_P)
        metrics[f"nearest_{name}_real"] = median(side.real_R)
        for key, (value, low, high) in {
            f"nearest_{name}_ratio": median_ratio(distance_P, side.real_R),
            f"nearer_{name}": probability_nearer(distance_P, side.real_R),
        }.items():
            metrics[key], intervals[key] = value, (low, high)
    return metrics, intervals


def _table(metrics: Mapping[str, float], intervals: Mapping[str, tuple[float, float]]) -> Table:
    rows = []
    for name, title in SPACES.items():
        cells = [title, f"{metrics[f'nearest_{name}']:.3f}", f"{metrics[f'nearest_{name}_real']:.3f}"]
        for key in (f"nearest_{name}_ratio", f"nearer_{name}"):
            low, high = intervals[key]
            cells.append(f"{metrics[key]:.2f} ({low:.2f} to {high:.2f})")
        rows.append(cells)
    header = ("distance in", "painted", "real", "ratio", "chance that a painted one is nearer")
    note = (
        "The columns are medians of the distance to the nearest training picture, their ratio, and the probability that"
        " a painted picture is nearer than a real one that was never trained on: 0.50 is what a painter that memorises"
        " nothing reaches, and more means that it stays close to what it has seen."
    )
    return Table("Distance to the nearest training picture", header, rows, note)


def _verdict(odds: Tensor, quantile: float) -> str:
    share = f"{float(odds):.1%} of real pictures are as near"
    return f"memorised: {share}" if float(odds) <= quantile else share
