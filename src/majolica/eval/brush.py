"""How evaluators paint: the settings that all of them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from majolica.eval.protocol import PipelineLike
from majolica.sampling.request import PaintRequest


@dataclass(frozen=True)
class Brush:
    """What a request of an evaluator has in common with those of the others."""

    steps: int = 20
    guidance: float = 3.0
    seed: int = 0
    """Seed of the first picture of a call; the next pictures count on from it."""
    solver: str = "heun"
    batch: int = 64
    """Pictures painted at once, which is quicker than one by one, and within 1 of 255 of it."""

    def paint(
        self,
        pipeline: PipelineLike,
        prompts: Sequence[str],
        size: int | None = None,
        properties: Mapping[str, float] | None = None,
    ) -> Tensor:
        """One picture per prompt, `B3HW` on the CPU; the same call gives the same pictures."""
        request = PaintRequest(
            prompts,
            size,
            dict(properties or {}),
            steps=self.steps,
            guidance=self.guidance,
            seed=range(self.seed, self.seed + len(prompts)),
            solver=self.solver,
            batch=self.batch,
        )
        return pipeline.paint_request(request).cpu()
