"""Guidance with a reference picture equals its formula."""

import dataclasses

import pytest
import torch
from torch import Tensor

from majolica.errors import UserError
from majolica.models.conditions import Condition, Reference
from majolica.models.majolica import Majolica
from majolica.models.reference import ReferenceAdapter
from majolica.sampling.guidance import Guidance, list_branches, read_guidance
from majolica.sampling.painting import paint_guided
from tiny import TINY, awake

NOISY = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
PICTURES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(3)) * 2 - 1
TIMES = torch.full((2,), 0.5)
ASKED = Condition(
    torch.randint(5, 250, (2, 8), generator=torch.Generator().manual_seed(2)),
    torch.ones(2, dtype=torch.bool),
    torch.tensor([[0.2, 0.1, 0.3], [0.5, 0.2, 0.1]]),
    torch.tensor([[True, True, False], [True, False, True]]),
)


@pytest.fixture
def model(tiny: Majolica) -> Majolica:
    torch.manual_seed(5)
    own = awake(ReferenceAdapter(TINY))
    assert isinstance(own, ReferenceAdapter)
    tiny.reference_adapters = [own]
    return tiny


def show(model: Majolica, asked: Condition = ASKED) -> Condition:
    features_BF = model.summarise(PICTURES)
    return dataclasses.replace(asked, reference=Reference(features_BF, torch.ones(2, dtype=torch.bool)))


@torch.no_grad()
def predict(model: Majolica, text: bool, picture: bool, keep: tuple[int, ...]) -> Tensor:
    """The plain prediction under a caption or none, a reference or none, and some of the properties."""
    mask = torch.tensor([place in keep for place in range(3)])
    asked = dataclasses.replace(ASKED, has_value_BP=ASKED.has_value_BP & mask, has_text_B=ASKED.has_text_B & text)
    asked = show(model, asked) if picture else asked
    return model.paint(*model.perceive(NOISY, TIMES), model.read(ASKED.tokens_BL), asked, NOISY, TIMES)[1]


@torch.no_grad()
def guided(model: Majolica, asked: Condition, weights: Guidance) -> Tensor:
    branches = list_branches(asked, weights)
    assert sum(branch.factor for branch in branches) == pytest.approx(1)
    return paint_guided(model, NOISY, TIMES, model.read(asked.tokens_BL), branches)


def test_a_weight_for_the_reference(model: Majolica) -> None:
    none, text, pictured = (predict(model, *asked, ()) for asked in ((False, False), (True, False), (True, True)))
    plain = dataclasses.replace(ASKED, has_value_BP=torch.zeros(2, 3, dtype=torch.bool))
    expected = none + 2.5 * (text - none) + 3.5 * (pictured - text)
    found = guided(model, show(model, plain), Guidance(2.5, 1.75, reference=3.5))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert (expected - guided(model, show(model, plain), Guidance(2.5, 1.75, reference=2.5))).abs().max() > 1e-2


def test_properties_are_guided_beside_the_reference(model: Majolica) -> None:
    none, text, pictured = (predict(model, *asked, ()) for asked in ((False, False), (True, False), (True, True)))
    first, others = predict(model, True, True, (0,)), predict(model, True, True, (1, 2))
    start = none + 2.0 * (text - none) + 1.5 * (pictured - text)
    expected = start + 3.0 * (first - pictured) + 1.25 * (others - pictured)
    found = guided(model, show(model), Guidance(2.0, 1.25, ((0, 3.0),), reference=1.5))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_without_a_reference_its_weight_says_nothing(model: Majolica) -> None:
    with_weight, without = (list_branches(ASKED, Guidance(reference=weight)) for weight in (5.0, 2.0))
    assert [each.factor for each in with_weight] == [each.factor for each in without]
    assert torch.equal(*(guided(model, ASKED, Guidance(reference=weight)) for weight in (5.0, 2.0)))


def test_branches_that_do_not_count_are_left_out(model: Majolica) -> None:
    plain = show(model, dataclasses.replace(ASKED, has_value_BP=torch.zeros(2, 3, dtype=torch.bool)))
    assert [each.factor for each in list_branches(plain, Guidance(2.0, reference=2.0))] == [2.0, -1.0]
    assert [each.factor for each in list_branches(plain, Guidance(2.0, reference=3.0))] == [3.0, -1.0, -1.0]
    assert len(list_branches(plain, Guidance(1.0, 1.0, reference=1.0))) == 1


def test_the_weight_is_read() -> None:
    assert read_guidance(2.0, None).reference == 2.0 and read_guidance(1.0, None).reference == 1.0
    assert read_guidance(1.0, 1.5, reference=3.0) == Guidance(1.0, 1.5, reference=3.0)
    with pytest.raises(UserError, match="reference guidance is -1: give 0 to 1000"):
        read_guidance(2.0, None, reference=-1.0)
    with pytest.raises(UserError, match="reference guidance is nan: give a number"):
        read_guidance(2.0, 2.0, reference=float("nan"))
