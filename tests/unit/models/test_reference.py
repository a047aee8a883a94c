"""A model that was taught to follow reference pictures is what it was wherever there is none."""

import dataclasses

import pytest
import torch
from torch import Tensor

from majolica.models.adapter import PropertyAdapter
from majolica.models.conditions import Condition, Reference, concatenate
from majolica.models.majolica import Majolica
from majolica.models.reference import ReferenceAdapter, count_features, summarise_tokens
from majolica.recipes import recipe
from tiny import TINY, awake

ALL = torch.ones(3, dtype=torch.bool)
NOISY = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))
TIMES = torch.full((3,), 0.5)
PICTURES = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1


def adapter(seed: int = 0) -> ReferenceAdapter:
    torch.manual_seed(seed)
    found = awake(ReferenceAdapter(TINY))
    assert isinstance(found, ReferenceAdapter)
    return found


def show(model: Majolica, asked: Condition, present: Tensor = ALL) -> Condition:
    return dataclasses.replace(asked, reference=Reference(model.summarise(PICTURES), present))


def paint(model: Majolica, asked: Condition) -> Tensor:
    tokens = asked.tokens_BL
    with torch.no_grad():
        return model.paint(*model.perceive(NOISY, TIMES), model.read(tokens), asked, NOISY, TIMES)[1]


@pytest.fixture
def plain(tiny: Majolica, asked: Condition) -> Tensor:
    return paint(tiny, asked)


def test_without_a_reference_no_bit_changes(tiny: Majolica, asked: Condition, plain: Tensor) -> None:
    tiny.reference_adapters = [adapter()]
    assert torch.equal(plain, paint(tiny, asked))
    assert torch.equal(plain, paint(tiny, show(tiny, asked, ~ALL)))


def test_rows_without_one_change_no_bit_beside_rows_with_one(tiny: Majolica, asked: Condition, plain: Tensor) -> None:
    tiny.reference_adapters = [adapter()]
    mixed = paint(tiny, show(tiny, asked, torch.tensor([False, True, True])))
    assert torch.equal(mixed[0], plain[0])
    assert all((mixed[row] - plain[row]).abs().max() > 1e-3 for row in (1, 2))


def test_it_begins_as_the_model_was(tiny: Majolica, asked: Condition, plain: Tensor) -> None:
    torch.manual_seed(0)
    tiny.reference_adapters = [ReferenceAdapter(TINY)]
    assert torch.equal(plain, paint(tiny, show(tiny, asked)))


def test_it_is_heard_beside_a_property(tiny: Majolica, asked: Condition) -> None:
    torch.manual_seed(1)
    hue = awake(PropertyAdapter("hue", TINY))
    assert isinstance(hue, PropertyAdapter)
    tiny.adapters, tiny.reference_adapters = [hue], [adapter()]
    wide = [torch.cat((x, x.new_zeros(3, 1)), 1) for x in (asked.values_BP, asked.has_value_BP)]
    none = dataclasses.replace(asked, values_BP=wide[0], has_value_BP=wide[1])
    set_hue = dataclasses.replace(none, has_value_BP=torch.cat((asked.has_value_BP, ALL[:, None]), 1))
    pictures = [paint(tiny, each) for each in (none, set_hue, show(tiny, none), show(tiny, set_hue))]
    assert all((one - two).abs().max() > 1e-3 for i, one in enumerate(pictures) for two in pictures[:i])


def test_gradients_flow_to_the_adapter_alone(tiny: Majolica, asked: Condition) -> None:
    """In rows with a reference; a row without one would teach nothing, so none is dropped in training."""
    tiny.reference_adapters = [adapter()]
    tiny.requires_grad_(False)
    for present, expected in ((torch.tensor([True, True, False]), True), (~ALL, False)):
        condition = show(tiny, asked, present)
        picture = tiny.paint(*tiny.perceive(NOISY, TIMES), tiny.read(asked.tokens_BL), condition, NOISY, TIMES)[1]
        assert picture.requires_grad == expected
        if expected:
            picture[:2].square().sum().backward()  # type: ignore[no-untyped-call]
    own = list(tiny.reference_adapters[0].parameters())
    assert all(value.grad is not None and value.grad.any() for value in own)
    assert all(value.grad is None for value in tiny.parameters())


def test_the_first_gradient_moves_offsets_and_gates(tiny: Majolica, asked: Condition) -> None:
    torch.manual_seed(0)
    tiny.reference_adapters = [ReferenceAdapter(TINY)]
    condition = show(tiny, asked)
    picture = tiny.paint(*tiny.perceive(NOISY, TIMES), tiny.read(asked.tokens_BL), condition, NOISY, TIMES)[1]
    picture.square().sum().backward()  # type: ignore[no-untyped-call]
    own = tiny.reference_adapters[0]
    assert own.offsets.grad is not None and own.offsets.grad.flatten(2).any(2).all()
    assert own.gates.grad is not None and own.gates.grad.any(1).all()


@pytest.mark.parametrize("name", ["base", "large", "reference"])
def test_it_has_half_a_percent_of_the_parameters_at_most(name: str) -> None:
    with torch.device("meta"):
        model, own = Majolica(recipe(name).model), ReferenceAdapter(recipe(name).model)
    share = sum(x.numel() for x in own.parameters()) / sum(x.numel() for x in model.parameters())
    assert share <= 0.005


def test_an_adapter_is_no_part_of_the_model(tiny: Majolica) -> None:
    before = set(tiny.state_dict())
    tiny.reference_adapters = [adapter()]
    assert set(tiny.state_dict()) == before


def test_features_are_the_subject_and_the_style_without_places() -> None:
    tokens = torch.randn(2, 6, 32, generator=torch.Generator().manual_seed(3))
    embedding = torch.nn.functional.normalize(torch.randn(2, 16, generator=torch.Generator().manual_seed(4)), dim=1)
    found = summarise_tokens(tokens, embedding)
    assert found.shape == (2, count_features(TINY)) and found.dtype == torch.float32
    torch.testing.assert_close(found, summarise_tokens(tokens[:, torch.tensor([5, 3, 1, 0, 2, 4])], embedding))
    torch.testing.assert_close(found[:, :16].square().mean(1), torch.ones(2))
    normed = (tokens - tokens.mean(2, keepdim=True)) / tokens.std(2, keepdim=True, correction=0)
    torch.testing.assert_close(found[:, 16:48], normed.mean(1), atol=1e-4, rtol=0)
    torch.testing.assert_close(found[:, 48:], normed.std(1, correction=0), atol=1e-4, rtol=0)


def test_what_the_model_sees_of_a_picture_is_what_it_embeds(tiny: Majolica) -> None:
    features = tiny.summarise(PICTURES)
    assert not features.requires_grad
    torch.testing.assert_close(features[:, : TINY.embed] / TINY.embed**0.5, tiny.see(PICTURES))


def test_a_feature_that_hardly_differs_is_not_magnified() -> None:
    own = ReferenceAdapter(TINY)
    features = torch.randn(64, count_features(TINY), generator=torch.Generator().manual_seed(5)) * 3 + 1
    features[:, 7] = 5.0
    own.fit(features)
    told = (features - own.middle) / own.scale
    torch.testing.assert_close(told.mean(0), torch.zeros_like(told[0]), atol=1e-5, rtol=0)
    assert own.scale[7] == pytest.approx(0.1)
    torch.testing.assert_close(told.std(0, correction=0)[8:], torch.ones_like(told[0, 8:]))


def test_rows_of_conditions_keep_their_references(tiny: Majolica, asked: Condition) -> None:
    whole = show(tiny, asked, torch.tensor([True, False, True]))
    parts = concatenate([whole[:1], whole[1:]])
    assert parts.reference is not None and whole.reference is not None
    assert torch.equal(parts.reference.features_BF, whole.reference.features_BF)
    assert torch.equal(parts.reference.present_B, whole.reference.present_B)
    with pytest.raises(ValueError, match="1 of 2 conditions have a reference"):
        concatenate([whole, asked])
