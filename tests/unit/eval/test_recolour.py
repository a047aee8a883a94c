"""Recoloured pictures keep their light and lose their colour."""

from __future__ import annotations

import torch

from majolica.eval.recolour import to_grey, turn_hues
from majolica.properties.pixels import luma

COLOURS = torch.tensor([[120, 90, 110], [90, 120, 100]], dtype=torch.uint8).view(2, 3, 1, 1).expand(2, 3, 4, 4)


def test_grey_pictures_have_the_luma_of_the_coloured() -> None:
    grey_B3HW = to_grey(COLOURS)
    assert torch.equal(grey_B3HW[:, 0], grey_B3HW[:, 1]) and torch.equal(grey_B3HW[:, 0], grey_B3HW[:, 2])
    assert (luma(grey_B3HW.float()) - luma(COLOURS.float())).abs().max() <= 0.51


def test_turned_hues_keep_light_and_greys() -> None:
    turned_B3HW = turn_hues(COLOURS)
    assert (luma(turned_B3HW.float()) - luma(COLOURS.float())).abs().max() <= 1
    assert ((turned_B3HW.float() - COLOURS.float()).abs().amax((1, 2, 3)) > 10).all()
    greys = torch.full((2, 3, 4, 4), 77, dtype=torch.uint8)
    assert torch.equal(turn_hues(greys), greys)


def test_a_third_and_two_thirds_of_a_circle_together_are_whole() -> None:
    twice = turn_hues(turn_hues(COLOURS[:1]).expand(2, -1, -1, -1))[1:]  # the second row is turned by two thirds
    assert (twice.float() - COLOURS[:1].float()).abs().max() <= 2
