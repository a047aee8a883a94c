"""Control and cross-talk by the weight of properties, for a painter whose brightness obeys with the weight."""

from __future__ import annotations

from typing import Any

import torch

from majolica.eval.evaluators.control_weights import ControlWeights
from majolica.eval.protocol import EvalData
from majolica.sampling.request import PaintRequest


def test_each_weight_is_measured_by_the_model_alone(pipeline: Any, data: EvalData) -> None:
    asked: list[tuple[float | None, bool]] = []

    class Timid(pipeline):  # type: ignore[misc]
        def paint_request(self, request: PaintRequest) -> torch.Tensor:
            asked.append((request.property_guidance, request.project))
            if request.property_guidance == 1.0:
                return super().paint_request(PaintRequest(request.prompts))  # the property does nothing
            return super().paint_request(request)

    result = ControlWeights(("brightness", "contrast"), weights=(1.0, 3.0), prompts=2, values=4)(Timid(), data)
    assert {weight for weight, _ in asked} == {1.0, 3.0} and not any(project for _, project in asked)
    assert len(asked) == 2 * 2 * 4
    assert result.metrics["weight_1_rho"] < 0.01 < 0.4 < result.metrics["weight_3_rho"]
    assert len(result.parts) == 2 + 2 and result.protocol["weights"] == [1.0, 3.0]
