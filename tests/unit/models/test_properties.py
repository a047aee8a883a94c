"""Measures against pictures whose answer is known."""

import pytest
import torch

from majolica.config.checks import PROPERTY_NAMES
from majolica.errors import UserError
from majolica.models.properties import PROPERTIES, measure, measure_all


def test_grey_has_its_brightness_and_nothing_else() -> None:
    grey = torch.full((2, 3, 8, 8), 0.3)
    values = measure_all(("brightness", "contrast", "colourfulness"), grey)
    torch.testing.assert_close(values, torch.tensor([[0.3, 0.0, 0.0]] * 2), atol=1e-6, rtol=0)


def test_a_chequerboard_has_contrast_one_half() -> None:
    board = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(4, 4).expand(1, 3, 8, 8)
    assert measure("contrast", board).item() == pytest.approx(0.5)


def test_colourfulness_follows_the_published_formula() -> None:
    image = torch.rand(1, 3, 8, 8, dtype=torch.float64)
    red, green, blue = image[0]
    rg, yb = red - green, (red + green) / 2 - blue
    expected = (rg.var(correction=0) + yb.var(correction=0)).sqrt() + 0.3 * (rg.mean() ** 2 + yb.mean() ** 2).sqrt()
    assert measure("colourfulness", image).item() == pytest.approx(expected.item())


def test_the_names_that_need_no_torch_are_the_same() -> None:
    assert tuple(PROPERTIES) == PROPERTY_NAMES


def test_an_unknown_property_is_named() -> None:
    with pytest.raises(UserError, match="wetness"):
        measure("wetness", torch.zeros(1, 3, 4, 4))
