"""Guidance equals its formula, whatever is computed together."""

import dataclasses

import pytest
import torch
from torch import Tensor

from majolica.errors import UserError
from majolica.models.conditions import Condition
from majolica.models.majolica import Majolica
from majolica.properties.property import Property
from majolica.properties.registry import add_property
from majolica.sampling.guidance import TOKENS_ALONE, Guidance, list_branches, parse_property_weights, read_guidance
from majolica.sampling.painting import paint_guided
from tiny import TINY, awake
from warmth import forget

__all__ = ["forget"]

NAMES = TINY.properties


@pytest.fixture
def model() -> Majolica:
    torch.manual_seed(0)
    return awake(Majolica(TINY)).eval()  # type: ignore[no-any-return]


NOISY = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))
TIMES = torch.full((3,), 0.5)
ASKED = Condition(
    torch.randint(5, 250, (3, 8), generator=torch.Generator().manual_seed(2)),
    torch.ones(3, dtype=torch.bool),
    torch.tensor([[0.2, 0.1, 0.3], [0.5, 0.2, 0.1], [0.8, 0.3, 0.5]]),
    torch.tensor([[True, True, False], [True, False, True], [False, False, False]]),
)
"""The rows have different properties; the last has none."""


@torch.no_grad()
def predict(model: Majolica, text: bool, properties: tuple[str, ...]) -> Tensor:
    """The plain prediction under a caption or none, and under some of the properties that each row asks for."""
    keep = torch.tensor([name in properties for name in NAMES])
    condition = dataclasses.replace(ASKED, has_value_BP=ASKED.has_value_BP & keep, has_text_B=ASKED.has_text_B & text)
    tokens, time = model.perceive(NOISY, TIMES)
    return model.paint(tokens, time, model.read(ASKED.tokens_BL), condition, NOISY, TIMES)[1]


@torch.no_grad()
def guided(model: Majolica, weights: Guidance) -> Tensor:
    branches = list_branches(ASKED, weights)
    return paint_guided(model, NOISY, TIMES, model.read(ASKED.tokens_BL), branches)


def test_one_weight_for_all_properties(model: Majolica) -> None:
    none, text, full = predict(model, False, ()), predict(model, True, ()), predict(model, True, NAMES)
    expected = none + 2.5 * (text - none) + 1.75 * (full - text)
    torch.testing.assert_close(guided(model, Guidance(2.5, 1.75)), expected, atol=1e-5, rtol=0)
    assert (expected - full).abs().max() > 1e-2


def test_a_weight_for_each_property(model: Majolica) -> None:
    none, text = predict(model, False, ()), predict(model, True, ())
    bright, others = predict(model, True, ("brightness",)), predict(model, True, ("contrast", "colourfulness"))
    expected = none + 2.0 * (text - none) + 3.0 * (bright - text) + 2.0 * (others - text)
    found = guided(model, read_guidance(2.0, {"brightness": 3.0}, NAMES))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    contrast, colour = predict(model, True, ("contrast",)), predict(model, True, ("colourfulness",))
    expected = none + 2.0 * (text - none) + 3.0 * (bright - text) + 0.5 * (contrast - text) + 1.0 * (colour - text)
    found = guided(model, read_guidance(2.0, {"brightness": 3, "contrast": 0.5, "colourfulness": 1}, NAMES))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_no_weight_is_the_plain_prediction_in_one_branch(model: Majolica) -> None:
    full = predict(model, True, NAMES)
    assert len(list_branches(ASKED, Guidance(1.0, 1.0))) == 1
    assert torch.equal(guided(model, Guidance(1.0, 1.0)), full)


def test_branches_that_do_not_count_are_left_out() -> None:
    assert len(list_branches(ASKED, Guidance(2.0, 1.5))) == 3
    assert len(list_branches(ASKED, Guidance(2.0, 2.0))) == 2  # the caption alone has a factor of 0
    plain = dataclasses.replace(ASKED, has_value_BP=torch.zeros_like(ASKED.has_value_BP))
    assert len(list_branches(plain, Guidance(2.0, 1.5, ((0, 3.0),)))) == 2
    single = dataclasses.replace(ASKED, has_value_BP=torch.tensor([[True, False, False]] * 3))
    own = list_branches(single, Guidance(2.0, 1.5, ((0, 3.0),)))
    assert [branch.factor for branch in own] == [3.0, -1.0, -1.0]  # it is all that is asked for


@pytest.mark.parametrize(
    "weights", [Guidance(), Guidance(1.0, 1.5), Guidance(4, 0), Guidance(2, 1, ((0, 3.0), (2, 0.5)))]
)
def test_factors_sum_to_one(weights: Guidance) -> None:
    assert sum(branch.factor for branch in list_branches(ASKED, weights)) == pytest.approx(1)


def test_weights_are_read() -> None:
    assert parse_property_weights(None) is None and parse_property_weights("1.5") == 1.5
    assert parse_property_weights("brightness=2, contrast=1") == {"brightness": 2.0, "contrast": 1.0}
    assert read_guidance(1.0, None, NAMES) == Guidance(1.0, 1.0, reference=1.0)
    largest = Property("largest value", 0.0, 1.0, lambda x: torch.from_numpy(x.numpy().max((1, 2, 3))))
    add_property("largest", largest)
    places = ("brightness", "largest")
    assert read_guidance(2.0, None, places) == Guidance(2.0, 2.0, ((1, TOKENS_ALONE),))  # which cannot be projected
    assert read_guidance(2.0, {"largest": 1}, places) == Guidance(2.0, 2.0, ((1, 1.0),))
    assert read_guidance(2.0, None, ("brightness", "subject_x")) == Guidance(2.0, 2.0)
    assert read_guidance(2.0, 1.5, places) == Guidance(2.0, 1.5)
    assert read_guidance(1.0, None, places) == Guidance(1.0, 1.0, reference=1.0)
    assert read_guidance(2.0, {"contrast": 3}, NAMES) == Guidance(2.0, 2.0, ((1, 3.0),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("much", "property guidance is 'much': give a number"),
        ("brightness=", "guidance of brightness is '': give a number"),
        ("brightness=2,3", "weights by name as in brightness=2"),
        ("brightness=2,brightness=3", "brightness is given twice"),
        ("brightness=-1", "guidance of brightness is -1: give 0 to 1000"),
        ("hue=1", "hue has no weight of guidance, because this run was not trained with it"),
        ("brightnes=1", "unknown property 'brightnes': did you mean 'brightness'"),
    ],
)
def test_bad_weights_are_one_line(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_guidance(2.0, parse_property_weights(text), NAMES)
