"""Drop-out of conditions: how often a row is trained without its caption, its properties, or both."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from majolica.config.loss import LossConfig
from majolica.models.conditions import Condition
from majolica.objectives.draws import Draws
from majolica.objectives.joint import draw_condition

ROWS = 4000
NAMES = ("brightness", "contrast", "colourfulness")
NEVER = LossConfig(drop_text=0.0, drop_property=0.0, drop_properties=0.0, drop_all=0.0)


def draw(**chances: float) -> Condition:
    images_B3HW = torch.full((ROWS, 3, 2, 2), 0.5)
    tokens_BL = torch.ones(ROWS, 1, dtype=torch.int64)
    config = dataclasses.replace(NEVER, **chances)
    return draw_condition(tokens_BL, images_B3HW, config, NAMES, Draws.seeded(range(ROWS)))


def share(rows_B: torch.Tensor) -> float:
    return float(rows_B.float().mean())


def test_nothing_is_hidden_if_nothing_is_dropped() -> None:
    condition = draw()
    assert condition.has_text_B.all() and condition.has_value_BP.all()


def test_each_property_is_dropped_by_itself() -> None:
    has_value_BP = draw(drop_property=0.3).has_value_BP
    assert share(has_value_BP) == pytest.approx(0.7, abs=0.02)
    assert share(~has_value_BP.any(1)) == pytest.approx(0.3**3, abs=0.01)


def test_all_properties_are_dropped_together() -> None:
    has_value_BP = draw(drop_properties=0.4).has_value_BP
    assert torch.equal(has_value_BP.any(1), has_value_BP.all(1))
    assert share(~has_value_BP.any(1)) == pytest.approx(0.4, abs=0.03)
    mixed_BP = draw(drop_property=0.3, drop_properties=0.4).has_value_BP
    assert share(~mixed_BP.any(1)) == pytest.approx(0.4 + 0.6 * 0.3**3, abs=0.03)


def test_a_caption_stays_where_the_properties_go() -> None:
    condition = draw(drop_properties=0.4)
    assert condition.has_text_B.all()
    nothing = draw(drop_all=0.2)
    assert torch.equal(nothing.has_text_B, nothing.has_value_BP.all(1))
    assert share(~nothing.has_text_B) == pytest.approx(0.2, abs=0.03)


def test_without_a_chance_no_other_number_is_drawn() -> None:
    """A run with `drop_properties` of 0 draws the same numbers as one of before there was this chance."""
    some = {"drop_text": 0.1, "drop_property": 0.3, "drop_all": 0.1}
    plain, dropped = draw(**some), draw(**some, drop_properties=0.4)
    assert torch.equal(plain.has_text_B, dropped.has_text_B)
    kept_B = dropped.has_value_BP.any(1)
    assert torch.equal(plain.has_value_BP[kept_B], dropped.has_value_BP[kept_B])
