"""What is said of pictures that miss what was asked for."""

from __future__ import annotations

import torch

from majolica.sampling.notices import describe_missed_palettes, describe_misses, describe_unseen


def test_a_picture_may_have_no_value_at_all() -> None:
    """Grey has no hue."""
    grey_B3HW = torch.full((1, 3, 8, 8), 0.5)
    [line] = describe_misses({"hue": torch.tensor([120.0]), "brightness": torch.tensor([0.5])}, grey_B3HW)
    assert line == "hue is missed (asked for 120 degrees of hue, measured none)"


def test_a_value_beyond_training_is_said_once_it_is_clearly_beyond() -> None:
    """The range of brightness is 0.1 to 0.9, and a twentieth of it is let pass."""
    quantiles = {"brightness": torch.linspace(0.3, 0.7, 33), "hue": torch.linspace(0, 10, 33)}
    passed = {"brightness": torch.tensor([0.265, 0.735]), "hue": torch.tensor([90.0, 90.0]), "contrast": torch.ones(2)}
    assert describe_unseen(passed, quantiles) == []
    [line] = describe_unseen({"brightness": torch.tensor([0.5, 0.75])}, quantiles)
    assert line.startswith("brightness of 0.75 is beyond what training showed, from 0.3 to 0.7")
    assert len(describe_unseen({"brightness": torch.tensor([0.25])}, quantiles)) == 1


def test_a_palette_that_pictures_do_not_have_is_said() -> None:
    palettes_BK3 = torch.tensor([[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [torch.nan] * 3]]).expand(2, -1, -1)
    stripes_B3HW = torch.tensor([0.0, 1.0]).repeat(4).expand(2, 3, 8, 8)
    assert describe_missed_palettes(palettes_BK3, stripes_B3HW) == describe_missed_palettes(None, stripes_B3HW) == []
    green_B3HW = torch.tensor([0.2, 0.9, 0.2]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    [line] = describe_missed_palettes(palettes_BK3, torch.cat((stripes_B3HW[:1], green_B3HW)))
    assert line.startswith("1 of 2 pictures has other colours than the palette")
    assert describe_missed_palettes(palettes_BK3[:1], green_B3HW)[0].startswith("the picture has other colours")
