"""The settings with which all evaluators paint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from majolica.eval.protocol import PipelineLike
from majolica.sampling.request import PaintRequest


@dataclass(frozen=True)
class Brush:
    """Settings of a `PaintRequest` that are the same for all evaluators."""

    steps: int = 20
    guidance: float = 2.0
    seed: int = 0
    """Seed of the first picture of a call; the next pictures count on from it."""
    solver: str = "heun"
    churn: float = 4.0
    property_guidance: float | None = None
    """Weight of all properties together; None stands for the usual weights."""
    batch: int = 64
    """The number of pictures that are painted at once.

    This is quicker than painting one by one, and changes a value by 1 of 255 at most.
    """

    hold: bool = False
    """Whether all properties that are not set are held, where some are."""

    @property
    def record(self) -> dict[str, Any]:
        """What a protocol says of these settings."""
        record: dict[str, Any] = {"steps": self.steps, "guidance": self.guidance}
        record |= {"seed": self.seed, "solver": self.solver, "churn": self.churn}
        if self.hold:
            record["hold"] = True
        if self.property_guidance is not None:
            record["property_guidance"] = self.property_guidance
        return record

    def paint(
        self,
        pipeline: PipelineLike,
        prompts: Sequence[str],
        size: int | None = None,
        properties: Mapping[str, float] | None = None,
        plain: bool = False,
        palette: Sequence[str] | None = None,
    ) -> Tensor:
        """Paint one picture per prompt, `B3HW` on the CPU; equal calls give equal pictures.

        `plain` leaves out calibration and projection of properties, so that the model alone follows them. `palette` has
        colours for each prompt.
        """
        request = PaintRequest(
            prompts,
            size,
            dict(properties or {}),
            steps=self.steps,
            guidance=self.guidance,
            seed=range(self.seed, self.seed + len(prompts)),
            solver=self.solver,
            churn=self.churn,
            property_guidance=self.property_guidance if properties else None,
            batch=self.batch,
            project=not plain,
            hold=self.hold and bool(properties),
            raw=plain and bool(properties),
            palette=palette,
        )
        return pipeline.paint_request(request).cpu()
