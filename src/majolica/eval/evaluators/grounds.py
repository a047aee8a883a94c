"""Grounds: whether pictures have the background colours that their captions name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from majolica.data.drawings.compose import BACKGROUNDS
from majolica.data.drawings.phrases import names_background
from majolica.errors import UserError
from majolica.eval.compositions.foreground import mark_frame, oklab
from majolica.eval.paintings import Paintings
from majolica.eval.pictures import figure_picture
from majolica.eval.protocol import EvalData, Figure, PipelineLike, Result, Split, Table
from majolica.html.figures import picture_grid

SWATCH = 48
"""Side of a swatch in pixels."""


@dataclass(frozen=True)
class GroundColours:
    """The distance between the mean colours of painted and of real grounds, background by background.

    The ground of a picture is the median colour of its border, and distances are those of OKLab. Light and
    gradients vary from picture to picture, and a mean over many leaves what is wrong in all of them. No judge is
    asked.
    """

    painted: Paintings = field(default_factory=Paintings)
    name: str = "grounds"

    def count_paintings(self, data: EvalData) -> float:
        """Return the number of pictures that it paints, if no other evaluator has painted them."""
        return self.painted.claim(data)

    def explain_lack(self, data: EvalData) -> str:
        """Return what it needs and the data lack."""
        if not data.drawn:
            return "The backgrounds are those of the drawings of `majolica data openmoji`, and these are other data."
        if lack := data.explain_no_captions():
            return lack
        return "" if group_by_ground(data.prompts()) else "No caption names the background of its picture."

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        if lack := self.explain_lack(data):
            raise UserError(f"grounds cannot be measured: {lack}")
        painted = self.painted.paint(pipeline, data)
        source = data.prompts()
        found_B3, real_B3 = ground_colours(painted.images_B3HW), ground_colours(source.images_B3HW)
        asked, shown = group_by_ground(source.choose(painted.rows)), group_by_ground(source)
        pairs = {name: (found_B3[asked[name]].mean(0), real_B3[shown[name]].mean(0)) for name in shown if name in asked}
        away = {name: colour_distance(*pair) for name, pair in pairs.items()}
        halves = [
            colour_distance(real_B3[shown[name][::2]].mean(0), real_B3[shown[name][1::2]].mean(0))
            for name in away
            if len(shown[name]) > 1
        ]
        found = {"ground_difference": [*away.values()], "ground_difference_real_halves": halves}
        metrics = {name: sum(distances) / len(distances) for name, distances in found.items() if distances}
        rows = [
            (name, str(len(asked[name])), f"{away[name]:.3f}", *map(describe_colour, pairs[name]))
            for name in sorted(away, key=lambda name: -away[name])
        ]
        table = Table("Ground by ground", ("background", "pictures", "difference", "painted", "real"), rows)
        protocol = {**self.painted.brush.record, **data.record, "pictures": len(painted.prompts)}
        return Result("Backgrounds", metrics, (_draw_swatches(pairs), table), _describe(metrics), protocol)


def group_by_ground(split: Split) -> dict[str, list[int]]:
    """Return the rows whose captions name the background of the picture, by its name, in the order of `BACKGROUNDS`."""
    found = {
        name: [
            i
            for i, (meta, caption) in enumerate(zip(split.metas, split.captions, strict=True))
            if meta.get("background") == name and names_background(caption, name)
        ]
        for name in BACKGROUNDS
    }
    return {name: rows for name, rows in found.items() if rows}


def ground_colours(images_B3HW: Tensor) -> Tensor:
    """Return the median colour of the border of uint8 pictures: sRGB in [0, 1], `B3`."""
    frame_HW = mark_frame(*images_B3HW.shape[2:])
    return images_B3HW[:, :, frame_HW].float().quantile(0.5, dim=2) / 255


def colour_distance(one_3: Tensor, other_3: Tensor) -> float:
    """Return the distance of two sRGB colours in OKLab."""
    lab_23 = oklab(torch.stack((one_3, other_3))[:, :, None, None])[:, :, 0, 0]
    return float((lab_23[0] - lab_23[1]).norm())


def describe_colour(colour_3: Tensor) -> str:
    """Return red, green and blue in [0, 1], to two places."""
    return ", ".join(f"{level:.2f}" for level in colour_3.tolist())


def _describe(metrics: Mapping[str, float]) -> str:
    if "ground_difference" not in metrics:
        return "None of the captions that were painted names a background: paint more pictures."
    note = (
        "The mean colour of the borders of painted pictures is compared with that of real ones whose captions name the"
        f" same background. On average they are {metrics['ground_difference']:.3f} apart in OKLab, where a difference"
        " of about 0.02 can just be seen. Colours are red, green and blue in [0, 1]."
    )
    if "ground_difference_real_halves" in metrics:
        note += f" Two halves of the real pictures are {metrics['ground_difference_real_halves']:.3f} apart."
    return note


def _draw_swatches(pairs: Mapping[str, tuple[Tensor, Tensor]]) -> Figure:
    """Show the mean colours, painted and real, side by side."""
    tiles = []
    for name, (painted_3, real_3) in pairs.items():
        halves = [colour_3[:, None, None].expand(3, SWATCH, SWATCH // 2) for colour_3 in (painted_3, real_3)]
        tiles.append(figure_picture((torch.cat(halves, 2) * 255).round().to(torch.uint8), name, ""))
    return Figure("Grounds", picture_grid(tiles), "On the left the mean painted colour, and on the right the real one.")
