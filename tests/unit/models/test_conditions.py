"""How properties enter the synthesis half."""

import dataclasses
import math
from typing import Literal

import pytest
import torch
from torch import Tensor

from majolica.models.conditions import OFFSET_SCALE, Condition
from majolica.models.majolica import Majolica
from majolica.properties.categories import NameTable
from tiny import TINY, awake

Entry = Literal["tokens", "modulation", "both"]
ENTRIES: tuple[Entry, ...] = ("tokens", "modulation", "both")
NAMES = ("brightness", "hue", "contrast")


def build(entry: Entry, names: tuple[str, ...] = NAMES) -> Majolica:
    torch.manual_seed(0)
    model = awake(Majolica(dataclasses.replace(TINY, properties=names, property_entry=entry))).eval()
    assert isinstance(model, Majolica)
    return model


def condition(values: list[float], has: list[bool], text: bool = True) -> Condition:
    tokens = torch.randint(5, 250, (1, 8), generator=torch.Generator().manual_seed(2))
    return Condition(tokens, torch.tensor([text]), torch.tensor([values]), torch.tensor([has]))


@torch.no_grad()
def paint(model: Majolica, asked: Condition) -> Tensor:
    noisy, t = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1)), torch.full((1,), 0.5)
    return model.paint(*model.perceive(noisy, t), model.read(asked.tokens_BL), asked, noisy, t)[1]


@pytest.mark.parametrize("entry", ENTRIES)
def test_values_change_the_painting_and_hidden_ones_do_not(entry: Entry) -> None:
    model = build(entry)
    first, other = (paint(model, condition([v, 40.0, 0.2], [True, False, False])) for v in (0.2, 0.7))
    assert (first - other).abs().max() > 1e-3
    hidden = [paint(model, condition([v, math.nan, 0.2], [False, False, True])) for v in (0.2, math.nan)]
    assert torch.equal(*hidden)


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_missing_property_is_bit_equal_to_one_never_declared(entry: Entry) -> None:
    more, fewer = build(entry), build(entry, NAMES[:1])
    weights = more.state_dict()
    first = {name: weights[name][:1] for name in ("conditions.kind", "conditions.offsets") if name in weights}
    fewer.load_state_dict(weights | first)
    with_all = paint(more, condition([0.6, 90.0, 0.2], [True, False, False]))
    assert torch.equal(with_all, paint(fewer, condition([0.6], [True])))


def test_modulation_hides_the_tokens_and_tokens_alone_do_not_modulate() -> None:
    asked = condition([0.6, 90.0, 0.2], [True, True, False])
    seen = {}
    for entry in ENTRIES:
        model = build(entry)
        text = model.read(asked.tokens_BL)
        with torch.no_grad():
            _, mask_BS, _ = model.conditions(text.states_BLC, text.mask_BL, text.pooled_BC, asked)
            seen[entry] = (int(mask_BS[0, 9:].sum()), len(model.conditions.make_settings(asked)))
    assert seen == {"tokens": (2, 0), "modulation": (0, 1), "both": (2, 1)}


def test_offsets_are_the_sum_over_codes() -> None:
    """Of brightness, from 0.1 to 0.9, its place; of a hue cosine, sine and 1; nothing of a hidden contrast."""
    model = build("both")
    offsets_RL6D = OFFSET_SCALE * model.conditions.offsets
    with torch.no_grad():
        [setting] = model.conditions.make_settings(condition([0.6, 90.0, math.nan], [True, True, False]))
    expected_L6D = 0.25 * offsets_RL6D[0] + offsets_RL6D[2] + offsets_RL6D[3]
    torch.testing.assert_close(setting.offset_BL6D[0], expected_L6D, atol=1e-5, rtol=1e-5)
    modulation_B6D = torch.randn(1, 6, TINY.width)
    torch.testing.assert_close(setting.modulate(1, modulation_B6D)[0], modulation_B6D[0] + expected_L6D[1])


def test_a_category_has_an_offset_for_each_name() -> None:
    model = build("modulation", ("source", "brightness"))
    model.conditions.categories = {"source": NameTable(("coyo", "laion"))}
    with torch.no_grad():
        [setting] = model.conditions.make_settings(condition([0.75, 0.0], [True, False]))
    torch.testing.assert_close(setting.offset_BL6D[0], OFFSET_SCALE * model.conditions.offsets[1])


@pytest.mark.parametrize("entry", ENTRIES)
def test_both_ends_of_a_circle_are_one(entry: Entry) -> None:
    model = build(entry)
    low, high, half = (paint(model, condition([0.5, hue, 0.2], [False, True, False])) for hue in (0.0, 360.0, 180.0))
    torch.testing.assert_close(low, high, atol=1e-4, rtol=0)
    assert (low - half).abs().max() > 1e-3


def test_common_values_are_told_apart_finely() -> None:
    """By their quantiles in training: a step among common values moves the token more than one among rare values."""
    model = build("tokens")
    knots = torch.cat((torch.linspace(0.1, 0.4, 2), torch.linspace(0.5, 0.52, 29), torch.linspace(0.7, 0.9, 2)))
    model.conditions.quantiles[0] = knots

    def token(value: float) -> Tensor:
        asked = condition([value, 0.0, 0.2], [True, False, False])
        return model.conditions._encode(model.conditions.compute_places(asked))[0, 0]

    assert (token(0.505) - token(0.515)).norm() > 3 * (token(0.20) - token(0.21)).norm()
