"""Likeness: how far painted pictures, taken together, are from real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from majolica.eval.detail import octave_ratios
from majolica.eval.grid_peak import grid_peak
from majolica.eval.judge.judge import Judge
from majolica.eval.judge.spec import VERSION
from majolica.eval.paintings import Paintings
from majolica.eval.protocol import EvalData, PipelineLike, Result, Table
from majolica.metrics.frechet import frechet_distance
from majolica.plurals import counted


@dataclass(frozen=True)
class Likeness:
    """The Frechet distance to real pictures of the same captions, the peak of the patch grid, and how fine lines are.

    The distance is computed on the features of a judge of this data set, so it is not FID. It can
    be compared between runs on the same data, and with the distance between two halves of the real
    pictures, which a perfect painter would reach.
    """

    judge: Judge | Callable[[], Judge]
    """The judge, or a function that waits for it and is called when everything is painted."""
    painted: Paintings
    patch: int
    """Side of a patch in pixels."""
    name: str = "likeness"

    def count_paintings(self, data: EvalData) -> float:
        """Return the number of pictures that it paints, if no other evaluator has painted them."""
        return self.painted.claim(data)

    def explain_lack(self, data: EvalData) -> str:
        """Return what it needs and the data lack."""
        return data.explain_no_drawings()

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        painted_B3HW = self.painted.paint(pipeline, data).images_B3HW
        real_B3HW = data.prompts().images_B3HW
        judge = self.judge() if callable(self.judge) else self.judge
        painted_BF, real_BF = judge.describe(painted_B3HW), judge.describe(real_B3HW)
        metrics = {}
        rows = []
        if len(painted_BF) > 1 and len(real_BF) > 3:
            metrics["fd"] = frechet_distance(painted_BF, real_BF)
            metrics["fd_real_halves"] = frechet_distance(real_BF[::2], real_BF[1::2])
            rows.append(("Frechet distance", f"{metrics['fd']:.1f}", f"{metrics['fd_real_halves']:.1f}"))
        if len(real_BF) > 1:
            metrics["fine_power"] = fine_power(painted_B3HW, real_B3HW)
            metrics["fine_power_real_halves"] = fine_power(real_B3HW[::2], real_B3HW[1::2])
            cells = (f"{metrics['fine_power']:.2f}", f"{metrics['fine_power_real_halves']:.2f}")
            rows.append(("Power in the finest octave", *cells))
        if self.patch > 1 and min(painted_B3HW.shape[2:]) >= 3 * self.patch:
            metrics["grid_peak"] = grid_peak(painted_B3HW, self.patch)
            metrics["grid_peak_real"] = grid_peak(real_B3HW, self.patch)
            rows.append(("Patch-grid peak", f"{metrics['grid_peak']:.2f}", f"{metrics['grid_peak_real']:.2f}"))
        note = (
            f"The Frechet distance compares {counted(len(painted_BF), 'painted picture')} with"
            f" {counted(len(real_BF), 'real one')} of the same captions, on the features by which the judge names"
            " drawings; the right column compares two halves of the real ones, which is what a perfect painter would"
            " reach. It is a proxy, and not FID. The patch-grid peak is the power spectrum of luma at the harmonics of"
            " the patch period over that of the frequencies beside them: 1 means that no grid of patches shows. The"
            " power in the finest octave is that of luma from a quarter to half a cycle a pixel, over that of the real"
            " pictures: below 1, lines are softer than in real ones."
        )
        table = Table("Painted and real pictures", ("measure", "painted", "real"), rows)
        counts = {"painted": len(painted_BF), "real": len(real_BF), "judge_version": VERSION}
        protocol = {**self.painted.brush.record, **data.record, **counts}
        return Result("Likeness to real pictures", metrics, (table,), note, protocol)


def fine_power(images_B3HW: Tensor, others_B3HW: Tensor) -> float:
    """Return the power of luma between 1/4 and 1/2 cycle a pixel, over that of other pictures."""
    [ratio] = octave_ratios(images_B3HW, others_B3HW, 2)
    return ratio
