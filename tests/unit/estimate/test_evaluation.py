"""Whether the plan knows how much the evaluators paint."""

from __future__ import annotations

import pytest
import torch

from majolica.config.evaluation import EvaluatorConfig
from majolica.estimate.evaluation import PAINTED, TAKE_PICTURES
from majolica.eval.context import make_context, without_judges
from majolica.eval.protocol import EvalData, Split
from majolica.eval.suites import EVALUATORS, SUITES, build_evaluators
from majolica.recipes import recipe


@pytest.fixture(scope="module")
def data() -> EvalData:
    """As many captions as an evaluator paints, and names as the demo has."""
    images_B3HW = torch.randint(256, (600, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    captions = [f"thing {i} on a teal background" for i in range(600)]
    split = Split(images_B3HW, captions, [{"names": ["thing 1"], "background": "teal"}] * 600)
    return EvalData(tuple(f"thing {i}" for i in range(32)), split, split, drawn=True)


@pytest.mark.parametrize("name", [name for name, entry in EVALUATORS.items() if not entry.judged and name != "coco"])
def test_the_plan_counts_what_evaluators_paint(data: EvalData, name: str) -> None:
    """For the ten properties of the demo. Those that ask judges cannot be used while training."""
    config = recipe("demo")
    nobody = without_judges("there are none")
    context = make_context(config, config.model.properties, nobody, "weights", EvaluatorConfig(name))
    [evaluator] = build_evaluators([name], context).values()
    assert PAINTED.get(name, 0) == pytest.approx(evaluator.count_paintings(data), rel=0.05)


def test_the_plan_counts_what_the_suite_of_a_run_in_training_paints() -> None:
    assert PAINTED["captions"] == sum(PAINTED.get(name, 0) for name in SUITES["captions"])


@pytest.mark.parametrize("name", TAKE_PICTURES)
def test_the_plan_knows_which_evaluators_paint_as_many_as_are_asked_for(data: EvalData, name: str) -> None:
    if name == "coco":  # it needs a copy of COCO
        return
    config, options = recipe("demo"), EvaluatorConfig(name, pictures=16)
    context = make_context(config, config.model.properties, without_judges("there are none"), "weights", options)
    [evaluator] = build_evaluators([name], context).values()
    assert 16 * TAKE_PICTURES[name] == pytest.approx(evaluator.count_paintings(data), rel=0.05)
