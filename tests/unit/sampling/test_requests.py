"""A request gives the same picture however its values are handed over, and is read more than once."""

import pytest
import torch

from majolica.errors import UserError
from majolica.properties import registry
from majolica.properties.property import Property
from majolica.sampling.noise import read_seeds
from majolica.sampling.pipeline import Pipeline
from majolica.sampling.request import PaintRequest

PROMPTS = ["a fox", "an owl", "a cat"]


def test_iterators_are_read_once_and_used_as_often_as_lists(pipeline: Pipeline) -> None:
    """Holding properties paints twice, and each process takes a part of a request."""
    asked = {"properties": {"brightness": 0.6}, "hold": True, "steps": 2}
    listed = pipeline.paint(PROMPTS, seed=[1, 2, 3], **asked)
    assert torch.equal(listed, pipeline.paint(iter(PROMPTS), seed=iter([1, 2, 3]), **asked))
    request = PaintRequest(iter(PROMPTS), seed=iter([1, 2, 3]), reference=iter(["a.png", "b.png", "c.png"]))
    for place, prompt in enumerate(PROMPTS):
        part = request.part(slice(place, place + 1))
        assert (part.prompts, part.seed, part.reference) == ([prompt], [place + 1], [f"{'abc'[place]}.png"])


def test_one_value_in_a_list_is_for_all_pictures(pipeline: Pipeline) -> None:
    bare = pipeline.paint(PROMPTS, seed=7, properties={"brightness": 0.6}, steps=2)
    listed = PaintRequest(PROMPTS, seed=[7], properties={"brightness": [0.6], "source": ["coyo"]})
    assert listed.part(slice(1, 3)).properties == listed.properties
    assert read_seeds([7], 3) == [7, 7, 7]
    assert torch.equal(bare, pipeline.paint(PROMPTS, seed=[7], properties={"brightness": [0.6]}, steps=2))


def test_guidance_of_what_the_run_has_not_learned_is_refused(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    redness = Property("mean red", 0.0, 1.0, lambda images_B3HW: images_B3HW[:, 0].mean((1, 2)))
    monkeypatch.setitem(registry._ADDED, "redness", redness)
    with pytest.raises(UserError, match="would change nothing, because this run was not trained with redness: leave"):
        pipeline.paint("a fox", properties={"redness": 0.6}, property_guidance=3, steps=1)
    pipeline.paint("a fox", properties={"redness": 0.6, "brightness": 0.4}, property_guidance=3, steps=1)


@pytest.mark.parametrize("weights", [{"property_guidance": 1e38}, {"property_guidance": {"contrast": 1e38}}])
def test_a_picture_that_is_not_finite_blames_the_weight_that_is_too_large(
    pipeline: Pipeline, weights: dict[str, object]
) -> None:
    with pytest.raises(UserError, match=r"not finite: lower the largest guidance, which is 1e\+38"):
        pipeline.paint("a fox", properties={"contrast": 0.2}, project=False, steps=2, **weights)  # type: ignore[arg-type]
