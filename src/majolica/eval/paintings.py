"""Paints pictures of held-out captions once, for several evaluators."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from majolica.data.loading.split import space_evenly
from majolica.eval.brush import Brush
from majolica.eval.protocol import EvalData, PipelineLike


@dataclass(frozen=True)
class Painted:
    """Pictures `B3HW`, and what each should show."""

    rows: list[int]
    """The rows of `EvalData.prompts` whose captions were painted."""
    prompts: list[str]
    names: list[list[str]]
    """The names of the things that each caption asks for."""
    images_B3HW: Tensor


@dataclass
class Paintings:
    """Paints one picture for each of `pictures` captions, evenly spaced among the held-out ones."""

    pictures: int = 256
    brush: Brush = field(default_factory=Brush)
    _done: Painted | None = None
    _claimed: bool = False

    def claim(self, data: EvalData) -> int:
        """Return how many pictures it will paint, to the first evaluator that asks; 0 to the others, which share them.

        So the sum over all evaluators is what will be painted.
        """
        first, self._claimed = not self._claimed, True
        return min(self.pictures, len(data.prompts())) if first else 0

    def paint(self, pipeline: PipelineLike, data: EvalData) -> Painted:
        """Return the pictures, which are painted at the first call.

        Every call must have the same pipeline and the same data. Raises UserError if there are no
        held-out captions.
        """
        if self._done is None:
            source = data.prompts()
            rows = space_evenly(len(source), self.pictures)
            prompts = [source.captions[i] for i in rows]
            self._done = Painted(rows, prompts, [source.shown(i) for i in rows], self.brush.paint(pipeline, prompts))
        return self._done
