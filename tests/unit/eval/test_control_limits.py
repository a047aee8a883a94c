"""What control costs, with painters of which that is known."""

from typing import Any

import pytest
import torch

from majolica.eval.evaluators.control_limits import ControlLimits
from majolica.eval.protocol import EvalData
from majolica.sampling.request import PaintRequest


def test_a_painter_that_obeys_brightness_and_forgets_the_thing(pipeline: Any, judge: Any, data: EvalData) -> None:
    metrics = ControlLimits(("brightness", "contrast"), lambda: judge, captions=10)(pipeline(), data).metrics
    assert metrics["content_plain"] == metrics["content_plain_own_eye"] == 1
    # Of the five things, which are painted as levels of grey, the two ends of brightness show one each.
    assert [metrics["content_brightness"], metrics["content_own_eye_brightness"]] == pytest.approx([0.2, 0.2])
    assert metrics["contest_brightness"] == pytest.approx(1, abs=0.02)
    # It ignores contrast: the caption wins, and the thing is there.
    assert metrics["contest_contrast"] == 0 and metrics["content_contrast"] == 1
    assert metrics["control_round_trip"] == 1


def test_a_painter_with_moods_makes_no_round_trip(pipeline: Any, judge: Any, data: EvalData) -> None:
    class Moody(pipeline):  # type: ignore[misc]
        def paint_request(self, request: PaintRequest) -> torch.Tensor:
            return super().paint_request(request) + len(self.calls) // 4  # type: ignore[no-any-return]

    found = ControlLimits(("brightness",), lambda: judge, captions=5)(Moody(), data).metrics
    assert found["control_round_trip"] == 0


def test_it_paints_as_many_pictures_as_it_says(pipeline: Any, judge: Any, data: EvalData) -> None:
    evaluator, painter = ControlLimits(("brightness", "contrast", "hue"), lambda: judge, captions=7), pipeline()
    evaluator(painter, data)
    assert (
        sum(len(call.prompts) for call in painter.calls) == evaluator.count_paintings(data) == 7 * (1 + 2 + 2 + 4 + 1)
    )


def test_a_model_without_properties(judge: Any, data: EvalData) -> None:
    assert "without properties" in ControlLimits((), lambda: judge).explain_lack(data)
