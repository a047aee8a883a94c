"""What is said of pictures that miss what was asked for."""

from __future__ import annotations

import torch

from majolica.sampling.notices import describe_misses


def test_a_picture_may_have_no_value_at_all() -> None:
    """Grey has no hue."""
    grey_B3HW = torch.full((1, 3, 8, 8), 0.5)
    [line] = describe_misses({"hue": torch.tensor([120.0]), "brightness": torch.tensor([0.5])}, grey_B3HW)
    assert line == "hue is missed (asked for 120 degrees of hue, measured none)"
