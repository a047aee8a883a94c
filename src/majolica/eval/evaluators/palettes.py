"""Palettes: are pictures made of the colours that were asked for, and do they still show the thing?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from majolica.data.loading.split import space_evenly
from majolica.eval.brush import Brush
from majolica.eval.pictures import figure_picture
from majolica.eval.protocol import EvalData, Figure, PipelineLike, Result
from majolica.html.figures import picture_rows
from majolica.metrics.intervals import bootstrap_interval, wilson_interval
from majolica.plurals import counted
from majolica.properties.palette import measure_palette, palette_distance

SHOWN = 3
"""Prompts in the figure."""


@dataclass(frozen=True)
class PaletteControl:
    """Paints plain prompts, each with the palettes of several held-out pictures, which show other things.

    `palette_difference` is the mean distance of a picture's colours to those that were asked for, as a share
    of the way from black to white, and `palette_difference_without` that of pictures without a palette.
    """

    prompts: int = 16
    palettes: int = 4
    brush: Brush = field(default_factory=Brush)
    name: str = "palettes"

    def count_paintings(self, data: EvalData) -> float:
        """Return the number of pictures that it paints."""
        return len(data.plain_prompts(self.prompts)) * (1 + len(choose_palettes(data, self.palettes)))

    def explain_lack(self, data: EvalData) -> str:
        """Return what it needs and the data lack."""
        found = choose_palettes(data, self.palettes)
        return data.explain_no_captions() or ("" if found else "There are no held-out pictures of two colours or more.")

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        prompts = data.plain_prompts(self.prompts)
        wanted = choose_palettes(data, self.palettes)
        spelt = [spell_palette(colours_K3) for colours_K3 in wanted]
        plain_B3HW = self.brush.paint(pipeline, prompts)
        turns = [self.brush.paint(pipeline, prompts, palette=[palette] * len(prompts)) for palette in spelt]
        away_V, before_V = (
            [_measure(images_B3HW, wanted_K3) for images_B3HW, wanted_K3 in zip(some, wanted, strict=True)]
            for some in (turns, [plain_B3HW] * len(turns))
        )
        metrics, intervals = dict[str, float](), dict[str, tuple[float, float]]()
        for end, found in (("", away_V), ("_without", before_V)):
            away_B = torch.stack(found).mean(0)
            metrics[f"palette_difference{end}"] = float(away_B.mean())
            intervals[f"palette_difference{end}"] = bootstrap_interval(away_B)
        for end, images_R3HW in (("", torch.cat(turns)), ("_without", plain_B3HW)) if data.names else ():
            share = metrics[f"palette_named{end}"] = self._name(pipeline, data, images_R3HW)
            intervals[f"palette_named{end}"] = wilson_interval(share, len(images_R3HW))
        protocol = {**self.brush.record, **data.record, "prompts": prompts, "palettes": spelt}
        figure = self._figure(prompts, plain_B3HW, turns, spelt)
        judged = tuple(key for key in metrics if "named" in key)
        return Result("Palettes", metrics, (figure,), self._describe(metrics, len(wanted)), protocol, intervals, judged)

    def _name(self, pipeline: PipelineLike, data: EvalData, images_R3HW: Tensor) -> float:
        """The share of pictures, those of all prompts several times, in which the model itself sees the thing."""
        own_B = torch.tensor(space_evenly(len(data.names), self.prompts))
        similar_RK = pipeline.embed_images(images_R3HW) @ pipeline.embed_labels(data.names).T
        right_R = similar_RK.argmax(1).cpu() == own_B.repeat(len(images_R3HW) // len(own_B))
        return float(right_R.float().mean())

    def _describe(self, metrics: dict[str, float], count: int) -> str:
        return (
            f"Each prompt was painted in the main colours of {counted(count, 'held-out picture')}. The colours"
            f" of the paintings are {metrics['palette_difference']:.3f} away from those that were asked for, and"
            f" {metrics['palette_difference_without']:.3f} without a palette (1 is the way from black to white)."
        )

    def _figure(
        self, prompts: Sequence[str], plain_B3HW: Tensor, turns: Sequence[Tensor], spelt: Sequence[str]
    ) -> Figure:
        rows = [
            (prompt, [figure_picture(images_B3HW[row]) for images_B3HW in (plain_B3HW, *turns)])
            for row, prompt in enumerate(prompts[:SHOWN])
        ]
        note = "These are the first prompts, not chosen ones."
        return Figure("In several palettes", picture_rows(["without", *spelt], rows), note)


def choose_palettes(data: EvalData, count: int) -> list[Tensor]:
    """The palettes `(K, 3)` of so many held-out pictures, evenly spaced, but for those of fewer than two colours."""
    chosen = space_evenly(len(data.heldout), count) if len(data.heldout) else []
    colours_VK3, shares_VK = measure_palette(data.heldout.images_B3HW[chosen].float() / 255)
    levels_VK3 = (colours_VK3 * 255).round()
    shown = [sorted({*map(tuple, levels_VK3[row][shares_VK[row] > 0].tolist())}) for row in range(len(chosen))]
    return [torch.tensor(levels) / 255 for levels in shown if len(levels) > 1]


def spell_palette(colours_K3: Tensor) -> str:
    """Colours in [0, 1] as a palette that `--palette` reads."""
    return " ".join("#" + bytes((colours_K3[k] * 255).round().byte().tolist()).hex() for k in range(len(colours_K3)))


def _measure(images_B3HW: Tensor, wanted_K3: Tensor) -> Tensor:
    """The distances `(B,)` of uint8 pictures to one palette."""
    return palette_distance(images_B3HW.float() / 255, wanted_K3.expand(len(images_B3HW), -1, -1))
