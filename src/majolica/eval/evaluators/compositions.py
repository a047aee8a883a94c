"""Compositions: things, backgrounds, pairs, counts and places, judged beside a perfect painter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from majolica.errors import UserError
from majolica.eval.brush import Brush
from majolica.eval.compositions.examiner import Examiner, Grounds, Sight
from majolica.eval.compositions.kinds import KINDS, SAME_PICTURES
from majolica.eval.compositions.tasks import Task, render_task
from majolica.eval.judge.panel import Panel, await_panel
from majolica.eval.judge.spec import VERSION
from majolica.eval.pictures import figure_picture
from majolica.eval.protocol import EvalData, Figure, PipelineLike, Result, Table
from majolica.html.figures import FigurePicture, picture_rows
from majolica.metrics.intervals import bootstrap_interval, wilson_interval
from majolica.plurals import counted

Verdicts = tuple[list[bool], list[bool]]
"""Which painted pictures of a kind are right, and which real ones."""
RENDERS = 0x636F6D70
"""Part of the seed of the real renders."""
SHOWN = 6
"""Pictures of each kind in the figure."""


@dataclass(frozen=True)
class Compositions:
    """The share of prompts of each kind whose pictures show what the prompt says.

    The judges name the whole picture, or each thing of it after it is cut out of the ground. The background
    has the name of the renders whose colours are nearest. Real renders of the same prompts are put through the
    same examination: they say what a perfect painter would reach. `composition` is the mean over all kinds
    but that by the property, as the overall score of GenEval is the mean over its tasks.
    """

    panel: Panel | Callable[[], Panel]
    """The judges, or a function that waits for them and is called when everything is painted."""
    properties: tuple[str, ...] = ()
    """The properties that can be set."""
    pictures: int = 32
    """Pictures of each kind."""
    renders: int = 2
    """Real renders of each prompt."""
    brush: Brush = field(default_factory=Brush)
    name: str = "compositions"

    def count_paintings(self, data: EvalData) -> float:
        """Return the number of pictures that it paints."""
        return sum(map(len, self._painted_tasks(data).values()))

    def explain_lack(self, data: EvalData) -> str:
        """Return why it cannot be measured, if the truth of a picture cannot be known."""
        known = data.drawn and data.names
        return "" if known else "These are no drawings, so there are no renders of which it is known what they show."

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        if reason := self.explain_lack(data):
            raise UserError(f"compositions cannot be judged: {reason} Make data with `majolica data openmoji`.")
        asked = self._painted_tasks(data)
        painted = {name: self._paint(pipeline, some) for name, some in asked.items()}
        panel = await_panel(self.panel, data.names)
        side = next(iter(painted.values())).shape[-1]
        examiner = Examiner(panel, Grounds.learn(data.names, side))
        sights = {name: examiner.look(images_B3HW) for name, images_B3HW in painted.items()}
        real = {name: self._examine_real(examiner, some, side) for name, some in asked.items()}
        found = {name: self._score(name, asked, sights, real) for name in self._kinds(data)}
        metrics, intervals = _measure(found)
        protocol = {
            **data.record,
            **self.brush.record,
            **{"kinds": list(found), "pictures": self.pictures, "renders": self.renders, "judges": VERSION},
        }
        parts = (_table(found, metrics, intervals, _most_things(data)), self._figure(asked, painted, sights))
        return Result("Compositions", metrics, parts, self._describe(metrics), protocol, intervals)

    def _kinds(self, data: EvalData) -> list[str]:
        """Return the kinds that the names and the properties can give."""
        able = {name: bool(kind.make(data.names, self.pictures)) for name, kind in KINDS.items()}
        return [name for name in KINDS if able[name] and (name != "place_property" or "subject_x" in self.properties)]

    def _painted_tasks(self, data: EvalData) -> dict[str, list[Task]]:
        """Return the prompts of each kind that has pictures of its own."""
        if self.explain_lack(data):
            return {}
        return {
            name: KINDS[name].make(data.names, self.pictures) for name in self._kinds(data) if name not in SAME_PICTURES
        }

    def _paint(self, pipeline: PipelineLike, some: Sequence[Task]) -> Tensor:
        """Paint the prompts, those of the same properties together."""
        images: dict[int, Tensor] = {}
        for properties in {tuple(task.properties.items()): dict(task.properties) for task in some}.values():
            rows = [i for i, task in enumerate(some) if task.properties == properties]
            painted_B3HW = self.brush.paint(pipeline, [some[i].prompt for i in rows], None, properties)
            images |= dict(zip(rows, painted_B3HW, strict=True))
        return torch.stack([images[i] for i in range(len(some))])

    def _examine_real(self, examiner: Examiner, some: Sequence[Task], side: int) -> list[tuple[Task, Sight]]:
        """Return what is seen in real renders of the prompts."""
        each = [(task, [RENDERS, i, again]) for i, task in enumerate(some) for again in range(self.renders)]
        images = [torch.from_numpy(render_task(task, side, seed).image).permute(2, 0, 1) for task, seed in each]
        return list(zip([task for task, _ in each], examiner.look(torch.stack(images)), strict=True))

    def _score(
        self,
        name: str,
        asked: Mapping[str, Sequence[Task]],
        sights: Mapping[str, Sequence[Sight]],
        real: Mapping[str, Sequence[tuple[Task, Sight]]],
    ) -> Verdicts:
        """Return which painted and which real pictures of a kind are right."""
        source, right = SAME_PICTURES.get(name, name), KINDS[name].right
        painted = [right(sight, task) for sight, task in zip(sights[source], asked[source], strict=True)]
        return painted, [right(sight, task) for task, sight in real[source]]

    def _describe(self, metrics: Mapping[str, float]) -> str:
        return (
            f"{counted(self.pictures, 'prompt')} of each kind, made as those of GenEval (arXiv 2310.11513) are, and"
            " judged by rules: two judges name the picture, or each thing after it is cut out of the ground, and the"
            " ground has the name of the renders whose colours are nearest. On average"
            f" {metrics['composition']:.1%} are right. Real renders of the same prompts were judged in the same way;"
            f" a perfect painter would reach {metrics['composition_real']:.1%}. Captions of training never say how many"
            " things there are or on which side, and where each picture has one thing they name no second one: these"
            " kinds ask for what training did not show."
        )

    def _figure(
        self,
        asked: Mapping[str, Sequence[Task]],
        painted: Mapping[str, Tensor],
        sights: Mapping[str, Sequence[Sight]],
    ) -> Figure:
        """Show the first pictures of each kind, without a choice, and what is seen in each."""
        rows: list[tuple[str, list[FigurePicture]]] = []
        for name, some in asked.items():
            kind = KINDS["binding" if name == "background" else name]
            line = [
                figure_picture(image_3HW, task.prompt, sight.describe(kind.things == 1), kind.right(sight, task))
                for task, sight, image_3HW in zip(some[:SHOWN], sights[name], painted[name], strict=False)
            ]
            rows.append((kind.title, line))
        note = "These are the first pictures of each kind, not chosen ones, and what was seen in them."
        return Figure("Compositions, and what is seen", picture_rows([""] * SHOWN, rows), note)


def _measure(found: Mapping[str, Verdicts]) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Return the share of right pictures of each kind, and the means over the kinds."""
    metrics, intervals = dict[str, float](), dict[str, tuple[float, float]]()
    for name, sides in found.items():
        for key, right in zip((f"composition_{name}", f"composition_{name}_real"), sides, strict=True):
            metrics[key] = sum(right) / len(right)
            intervals[key] = wilson_interval(metrics[key], len(right))
    worded = [name for name in found if name != "place_property"]
    for key, end in (("composition", ""), ("composition_real", "_real")):
        metrics[key] = sum(metrics[f"composition_{name}{end}"] for name in worded) / len(worded)
        # Picture i of all kinds is one unit: it shows the same thing, and two kinds look at the very same picture.
        right_KB = torch.tensor([found[name][1 if end else 0] for name in worded], dtype=torch.float64)
        intervals[key] = bootstrap_interval(right_KB.mean(0))
    return metrics, intervals


def _table(
    found: Mapping[str, Verdicts],
    metrics: Mapping[str, float],
    intervals: Mapping[str, tuple[float, float]],
    most_things: int,
) -> Table:
    rows = []
    for name, (painted, _) in found.items():
        kind = KINDS[name]
        cells = [kind.title, "yes" if kind.worded and kind.things <= most_things else "no", str(len(painted))]
        for key in (f"composition_{name}", f"composition_{name}_real"):
            low, high = intervals[key]
            cells.append(f"{metrics[key]:.0%} ({low:.0%} to {high:.0%})")
        rows.append(cells)
    return Table("Kind by kind", ("kind", "shown in training", "pictures", "right", "real renders"), rows)


def _most_things(data: EvalData) -> int:
    """Return how many things the pictures of the data show at most."""
    splits = (data.heldout, data.combinations)
    return max((len(split.shown(i)) for split in splits for i in range(len(split))), default=1)
