"""Prompt fidelity: does a separate classifier see in painted pictures what they should show?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from majolica.errors import UserError
from majolica.eval.evaluators.zero_shot import describe_mistakes
from majolica.eval.judge.judge import Judge
from majolica.eval.judge.net import check_answers
from majolica.eval.paintings import Paintings
from majolica.eval.pictures import figure_picture
from majolica.eval.protocol import EvalData, Figure, PipelineLike, Result, Table, share_error
from majolica.html.figures import picture_grid
from majolica.plurals import counted

NONE = "none of these"
"""The last answer of the judge."""


@dataclass(frozen=True)
class Fidelity:
    """The share of painted captions in whose pictures the judge sees what the caption names.

    The captions are evenly spaced in the combinations split, which has pairs of a thing and a
    background that training never showed. All things that a caption names must be seen; the
    background is not judged.
    """

    judge: Judge | Callable[[], Judge]
    """The judge, or a function that waits for it and is called when everything is painted."""
    painted: Paintings = field(default_factory=Paintings)
    name: str = "prompt fidelity"

    def paintings(self, data: EvalData) -> float:
        """Return the number of pictures that it paints."""
        return self.painted.count(data)

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        painted = self.painted.paint(pipeline, data)
        prompts, images_B3HW, count = painted.prompts, painted.images_B3HW, len(painted.prompts)
        index = {name: i for i, name in enumerate(data.names)}
        wanted = [{index[name] for name in names} for names in painted.names]
        judge = self.judge() if callable(self.judge) else self.judge
        if judge.names != tuple(data.names):
            raise UserError("the judge was trained on other names than the data's: delete judge-*.safetensors")
        seen_BK = judge.classify(images_B3HW)
        right_B = check_answers(seen_BK, wanted)
        share, scores = float(right_B.float().mean()), judge.scores
        source = data.prompts()
        shown = [{index[name] for name in source.shown(i)} for i in range(len(source))]
        real = float(check_answers(judge.classify(source.images_B3HW), shown).float().mean())
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
            " training never showed it. A convolutional network that learned from renders alone, the judge, sees the"
            f" right thing in {share:.1%} of the pictures, ± {share_error(share, count):.1%}. A perfect painter would"
            f" reach {real:.1%}: that is what the judge makes of the real pictures of these captions."
            f" Of unseen renders, the judge names {scores.plain:.1%} rightly, {scores.damaged:.1%} when they are"
            f" blurred, grainy and faded, and {scores.fooled:.1%} when they are melted or cut up: colours and strokes"
            " alone are not enough for it."
        )
        parts = (
            _gallery(images_B3HW, prompts, seen_BK, right_B, answers),
            _per_name(seen_BK, wanted, right_B, answers),
        )
        return Result("Prompt fidelity", metrics, parts, note)


def _gallery(
    images_B3HW: Tensor, prompts: Sequence[str], seen_BK: Tensor, right_B: Tensor, names: Sequence[str]
) -> Figure:
    """Show the first pictures, without a choice, and what the judge sees in each."""
    pictures = []
    for image, prompt, seen, right in list(zip(images_B3HW, prompts, seen_BK, right_B, strict=True))[:24]:
        answer = int(seen.argmax())
        verdict = f"{names[answer]}, {float(seen[answer]):.0%} sure"
        pictures.append(figure_picture(image, prompt, verdict, bool(right)))
    note = "These are the first pictures of the test, not chosen ones. Below each stands what the judge sees in it."
    return Figure("What was painted, and what the judge says", picture_grid(pictures, wide=True), note)


def _per_name(seen_BK: Tensor, wanted: Sequence[set[int]], right_B: Tensor, names: Sequence[str]) -> Table:
    """Make a row for each name, first those that the judge recognises least often."""
    answers = seen_BK.argmax(1)
    rows = []
    for k, name in enumerate(names):
        asked_B = torch.tensor([k in want for want in wanted], dtype=torch.bool)
        total, right = int(asked_B.sum()), int((asked_B & right_B).sum())
        if total:
            wrong_K = torch.bincount(answers[asked_B & ~right_B], minlength=len(names))
            rows.append((right / total, name, f"{right} of {total}", describe_mistakes(wrong_K, names)))
    rows.sort()
    cells = [[name, f"{share:.0%}", count, taken] for share, name, count, taken in rows]
    return Table("Name by name", ("asked for", "right", "pictures", "judge saw instead"), cells)
