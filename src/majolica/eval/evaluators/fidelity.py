"""Prompt fidelity: do two separate classifiers see in painted pictures what they should show?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from majolica.eval.judge.panel import Panel, await_panel, recognise_together
from majolica.eval.judge.spec import VERSION
from majolica.eval.labelled.confusions import describe_mistakes
from majolica.eval.paintings import Paintings
from majolica.eval.pictures import figure_picture
from majolica.eval.protocol import EvalData, Figure, PipelineLike, Result, Table, share_error
from majolica.html.figures import picture_grid
from majolica.metrics.intervals import wilson_interval
from majolica.plurals import counted

NONE = "none of these"
"""The last answer of a judge."""


@dataclass(frozen=True)
class Fidelity:
    """The share of painted captions in whose pictures the judges see what the caption names.

    The captions are evenly spaced in the combinations split, which has pairs of a thing and a
    background that training never showed. All things that a caption names must be seen; the
    background is not judged.
    """

    panel: Panel | Callable[[], Panel]
    """The judges, or a function that waits for them and is called when everything is painted."""
    painted: Paintings = field(default_factory=Paintings)
    name: str = "fidelity"

    def count_paintings(self, data: EvalData) -> float:
        """Return the number of pictures that it paints."""
        return self.painted.claim(data)

    def explain_lack(self, data: EvalData) -> str:
        """Return what it needs and the data lack."""
        return data.explain_no_drawings()

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        painted = self.painted.paint(pipeline, data)
        prompts, images_B3HW, count = painted.prompts, painted.images_B3HW, len(painted.prompts)
        index = {name: i for i, name in enumerate(data.names)}
        wanted = [{index[name] for name in names} for names in painted.names]
        panel = await_panel(self.panel, data.names)
        answers_JBK = panel.answer(images_B3HW)
        seen_BK, right_B = answers_JBK.mean(0), recognise_together(answers_JBK, wanted)
        share, scores = float(right_B.float().mean()), panel.scores
        source = data.prompts()
        shown = [{index[name] for name in source.shown(i)} for i in range(len(source))]
        real = float(recognise_together(panel.answer(source.images_B3HW), shown).float().mean())
        answers = (*data.names, NONE)
        metrics = {
            "prompt_fidelity": share,
            "prompt_fidelity_pictures": float(count),
            "prompt_fidelity_real": real,
            "classifier_accuracy": scores.plain,
            "classifier_accuracy_damaged": scores.damaged,
            "classifier_fooled": scores.fooled,
        }
        note = (
            f"One picture was painted for each of {counted(count, 'caption')}: a thing on a background on which"
            " training never showed it. Two convolutional networks that learned from renders alone, the judges, both"
            f" see the right thing in {share:.1%} of the pictures, ± {share_error(share, count):.1%}. A perfect painter"
            f" would reach {real:.1%}: that is what the judges make of the real pictures of these captions. They are"
            f" hard to please: of unseen renders, they name {scores.plain:.1%} correctly, {scores.damaged:.1%} if they"
            f" are blurred, grainy and faded, and {scores.fooled:.1%} if their shapes are bent until few people would"
            " recognise them."
        )
        parts = (
            _gallery(images_B3HW, prompts, seen_BK, right_B, answers),
            _per_name(seen_BK, wanted, right_B, answers),
        )
        protocol = {**self.painted.brush.record, **data.record, "pictures": count, "judge_version": VERSION}
        intervals = {"prompt_fidelity": wilson_interval(share, count)}
        return Result("Prompt fidelity", metrics, parts, note, protocol, intervals)


def _gallery(
    images_B3HW: Tensor, prompts: Sequence[str], seen_BK: Tensor, right_B: Tensor, names: Sequence[str]
) -> Figure:
    """Show the first pictures, without a choice, and what the judges see in each."""
    pictures = []
    for image, prompt, seen, right in list(zip(images_B3HW, prompts, seen_BK, right_B, strict=True))[:24]:
        answer = int(seen.argmax())
        verdict = f"{names[answer]}, {float(seen[answer]):.0%} sure"
        pictures.append(figure_picture(image, prompt, verdict, bool(right)))
    note = (
        "These are the first pictures of the test, not chosen ones. Below each stands what the judges see in it on"
        " average; it passes if both name what was asked for."
    )
    return Figure("What was painted, and what the judges say", picture_grid(pictures, wide=True), note)


def _per_name(seen_BK: Tensor, wanted: Sequence[set[int]], right_B: Tensor, names: Sequence[str]) -> Table:
    """Make a row for each name, first those that the judges recognise least often."""
    answers = seen_BK.argmax(1)
    rows = []
    for k, name in enumerate(names):
        asked_B = torch.tensor([k in want for want in wanted], dtype=torch.bool)
        total, right = int(asked_B.sum()), int((asked_B & right_B).sum())
        if total:
            wrong_K = torch.bincount(answers[asked_B & ~right_B], minlength=len(names))
            wrong_K[k] = 0  # where one judge sees it, it may be the likeliest on average
            rows.append((right / total, name, f"{right} of {total}", describe_mistakes(wrong_K, names)))
    rows.sort()
    cells = [[name, f"{share:.0%}", count, taken] for share, name, count, taken in rows]
    return Table("Name by name", ("asked for", "right", "pictures", "judges saw instead"), cells)
