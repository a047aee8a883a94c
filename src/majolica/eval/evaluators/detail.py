"""Detail: what a larger picture has beyond its base picture, beside real pictures of that size."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.errors import Notice
from majolica.eval.brush import Brush
from majolica.eval.detail import octave_ratios, seam_index
from majolica.eval.painting_cost import painting_cost
from majolica.eval.pictures import figure_picture
from majolica.eval.protocol import EvalData, Figure, PipelineLike, Result, Table
from majolica.html.figures import FigurePicture, picture_rows
from majolica.models.pooling import pool


@dataclass(frozen=True)
class Detail:
    """Seams, spectrum and agreement with the base picture, at the largest size that training knew."""

    resolution: int
    scale: int
    """k: how many times larger than the base resolution."""
    patch: int
    pictures: int = 64
    shown: int = 4
    brush: Brush = field(default_factory=Brush)
    name: str = "detail"

    def count_paintings(self, data: EvalData) -> float:
        """Return how much it paints, counted in pictures of the base resolution."""
        return min(self.pictures, len(data.prompts())) * (
            1 + painting_cost(self.resolution * self.scale, self.resolution)
        )

    def explain_lack(self, data: EvalData) -> str:
        """Return what it needs and the data lack."""
        if self.scale == 1:
            return "The run was not trained on larger pictures."
        size = self.resolution * self.scale
        return "" if data.larger(size, 1) else f"The data have no pictures of {size} px."

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        size = self.resolution * self.scale
        known = data.larger(size, self.pictures)
        assert known, "explain_lack says so before"
        real = known.prompts()
        prompts = list(real.captions)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Notice)
            base_B3HW = self.brush.paint(pipeline, prompts, self.resolution)
            painted_B3HW = self.brush.paint(pipeline, prompts, size)
        metrics = self._measure(base_B3HW, painted_B3HW, real.images_B3HW)
        table = Table(
            f"At {size} px",
            ("measure", "painted", "ideal"),
            [(name.replace("_", " "), f"{value:.3f}", IDEALS[name[:4]]) for name, value in metrics.items()],
        )
        note = (
            "The seam index is the mean step of luma where tokens meet over that elsewhere, and the cell index that"
            " between pixels of the base picture. The power is that of luma"
            " in the octaves that the base picture cannot hold, over that of real pictures: 1 is as much detail as real"
            " pictures have, and more is not better. The difference from the base picture is in shades of 255, after"
            " the large picture has been pooled."
        )
        parts = (table, self._sheet(prompts, base_B3HW, painted_B3HW, real.images_B3HW))
        protocol = {**self.brush.record, **data.record, "pictures": len(prompts), "scale": self.scale}
        return Result("Detail of larger pictures", metrics, parts, note, protocol)

    def _measure(self, base_B3HW: Tensor, painted_B3HW: Tensor, real_B3HW: Tensor) -> dict[str, float]:
        metrics = {
            "seam_index": seam_index(painted_B3HW, self.patch * self.scale),
            "seam_index_real": seam_index(real_B3HW, self.patch * self.scale),
            "cell_index": seam_index(painted_B3HW, self.scale),
            "cell_index_real": seam_index(real_B3HW, self.scale),
        }
        for i, ratio in enumerate(octave_ratios(painted_B3HW, real_B3HW, self.scale), 1):
            metrics[f"power_in_octave_{i}"] = ratio
        shift_B3HW = pool(painted_B3HW.float(), self.scale) - base_B3HW.float()
        metrics["base_difference"] = float(shift_B3HW.abs().mean())
        return metrics

    def _sheet(self, prompts: list[str], base_B3HW: Tensor, painted_B3HW: Tensor, real_B3HW: Tensor) -> Figure:
        smooth_B3HW = enlarge_smoothly(base_B3HW, self.scale)
        lines: list[tuple[str, list[FigurePicture]]] = [
            (prompt, [figure_picture(sets[i]) for sets in (base_B3HW, smooth_B3HW, painted_B3HW, real_B3HW)])
            for i, prompt in enumerate(prompts[: self.shown])
        ]
        heads = ["base picture", "the same, enlarged (bicubic)", "painted larger", "a real picture of the caption"]
        return Figure("Detail beside enlargement", picture_rows(heads, lines), "All are shown equally large.")


IDEALS = {"seam": "as in real pictures", "cell": "as in real pictures", "powe": "1", "base": "0"}
"""What a perfect painter would have, by the first letters of a metric."""


def enlarge_smoothly(images_B3HW: Tensor, scale: int) -> Tensor:
    """Return uint8 pictures k times as large, by bicubic interpolation."""
    large_B3HW = F.interpolate(images_B3HW.float(), scale_factor=scale, mode="bicubic", align_corners=False)
    return large_B3HW.round().clamp(0, 255).to(torch.uint8)
