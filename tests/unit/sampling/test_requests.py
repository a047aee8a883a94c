"""A request gives the same picture however its values are handed over, and is read more than once."""

import pytest
import torch

from majolica.errors import UserError
from majolica.properties import registry
from majolica.properties.property import Property
from majolica.sampling import paint_pictures
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


@pytest.mark.parametrize("weights", [{"property_guidance": 1e9}, {"property_guidance": {"contrast": 1e9}}])
def test_a_weight_that_paints_noise_is_refused(pipeline: Pipeline, weights: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"is 1e\+09: give 0 to 1000"):
        pipeline.paint("a fox", properties={"contrast": 0.2}, project=False, steps=2, **weights)  # type: ignore[arg-type]


def test_a_picture_that_is_not_finite_blames_the_weight_that_is_too_large(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paint_pictures, "integrate", lambda model, noise_B3HW, *rest: noise_B3HW / 0)
    with pytest.raises(UserError, match=r"not finite: lower the largest guidance, which is 3"):
        pipeline.paint("a fox", guidance=3, steps=2)


def test_what_is_painted_is_delivered_before_the_rest_is(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interruption loses no picture that is finished."""
    request = PaintRequest(PROMPTS, seed=[1, 2, 3], steps=2, batch=2)
    whole, got = pipeline.paint_request(request), {}
    plain, calls = paint_pictures._paint, iter(range(9))

    def paint(*given: object) -> torch.Tensor:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return plain(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(paint_pictures, "_paint", paint)
    with pytest.raises(KeyboardInterrupt):
        pipeline.paint_request(request, deliver=got.__setitem__)
    assert list(got) == [0] and torch.equal(got[0], whole[:2])


def test_seeds_in_a_dictionary_are_refused() -> None:
    with pytest.raises(UserError, match="the seeds are of type dict: give one whole number, or a list"):
        read_seeds({1: 2, 3: 4}, 2)
