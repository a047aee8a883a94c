"""The panel: two judges that differ in network, scale and use of colour, and that have to agree.

One reads pictures at their full size, in colours or in grey. The other reads them smaller and only in grey, through
wide filters. Both have learned that near misses show nothing. A picture passes if both name what it should show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from majolica.errors import UserError
from majolica.eval.judge.judge import Judge
from majolica.eval.judge.net import Scores, check_answers, measure_scores
from majolica.eval.judge.spec import JudgeKind, JudgeSpec

KINDS: tuple[JudgeKind, ...] = ("colours", "shapes")


def panel_specs(spec: JudgeSpec) -> list[JudgeSpec]:
    """Return the specs of the panel's judges for the names, the resolution and the objects of `spec`."""
    return [replace(spec, kind=kind) for kind in KINDS]


class Panel:
    """Judges of the same names that answer together; `scores` are those of all of them."""

    def __init__(self, judges: Sequence[Judge], scores: Scores) -> None:
        self.judges, self.scores, self.names = tuple(judges), scores, judges[0].names

    @classmethod
    def convene(cls, judges: Sequence[Judge], spec: JudgeSpec) -> Panel:
        """Make a panel of judges, one for each of `panel_specs(spec)`, and score it on held-out renders."""

        def recognise(pictures_B3HW: Tensor, wanted: Sequence[set[int]]) -> Tensor:
            answers_JBK = ask(judges, (pictures_B3HW * 255).round().to(torch.uint8))
            return recognise_together(answers_JBK, wanted)

        return cls(judges, measure_scores(recognise, panel_specs(spec)[0]))

    def answer(self, images_B3HW: Tensor) -> Tensor:
        """Return the probabilities of each judge, `(J, B, len(names) + 1)`; see `Judge.classify`."""
        return ask(self.judges, images_B3HW)


def await_panel(panel: Panel | Callable[[], Panel], names: Sequence[str]) -> Panel:
    """Return the judges, or those that a function waits for. Raises UserError if they know other names."""
    found = panel() if callable(panel) else panel
    if found.names != tuple(names):
        raise UserError("the judges were trained on other names than the data's: delete judge-*.safetensors")
    return found


def ask(judges: Sequence[Judge], images_B3HW: Tensor) -> Tensor:
    """Return `Panel.answer` of these judges."""
    return torch.stack([judge.classify(images_B3HW) for judge in judges])


def recognise_together(answers_JBK: Tensor, wanted: Sequence[set[int]]) -> Tensor:
    """Return whether every judge names exactly what is `wanted` of each picture, bool `(B,)`.

    `answers_JBK` are what `Panel.answer` returns.
    """
    return torch.stack([check_answers(answers_BK, wanted) for answers_BK in answers_JBK]).all(0)
