"""Pictures of held-out captions, painted once and measured by more than one evaluator."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from majolica.errors import UserError
from majolica.eval.brush import Brush
from majolica.eval.protocol import EvalData, PipelineLike


@dataclass(frozen=True)
class Painted:
    """Pictures `B3HW`, and what each should show."""

    prompts: list[str]
    names: list[list[str]]
    """The names of the things that each caption asks for."""
    images_B3HW: Tensor


@dataclass
class Paintings:
    """Paints one picture for each of `pictures` captions, spread evenly over those that are held out."""

    pictures: int = 256
    brush: Brush = field(default_factory=Brush)
    _done: Painted | None = None

    def count(self, data: EvalData) -> int:
        """How many pictures it paints: never more than there are captions."""
        return min(self.pictures, len(data.prompts()))

    def paint(self, pipeline: PipelineLike, data: EvalData) -> Painted:
        """The pictures, which are painted at the first call; a `Paintings` serves one pipeline and one set of data.

        Raises UserError where there are no held-out captions.
        """
        if self._done is None:
            source, count = data.prompts(), self.count(data)
            if not count:
                raise UserError("there are no held-out captions to paint: make the data with --heldout above 0")
            rows = [i * len(source) // count for i in range(count)]
            prompts = [source.captions[i] for i in rows]
            self._done = Painted(prompts, [source.shown(i) for i in rows], self.brush.paint(pipeline, prompts))
        return self._done
