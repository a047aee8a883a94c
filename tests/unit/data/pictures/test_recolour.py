"""Other colours for a share of the pictures: each by its own draws, and never with another luma."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from majolica.data.pictures.transforms import recolour

LUMA = torch.tensor([0.299, 0.587, 0.114])


def pictures(count: int) -> Tensor:
    """Pictures of colours so mild that no hue leaves [0, 1]."""
    return 0.35 + 0.3 * torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def is_grey(picture_3HW: Tensor) -> bool:
    return bool((picture_3HW.amax(0) - picture_3HW.amin(0)).max() < 1e-6)


def test_half_of_the_share_is_grey_and_half_has_another_hue() -> None:
    before = pictures(400)
    after = recolour(before, torch.arange(400), seed=3, share=0.5)
    same = [torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert sum(same) / 400 == pytest.approx(0.5, abs=0.08)
    assert sum(map(is_grey, after)) / 400 == pytest.approx(0.25, abs=0.07)
    luma_before, luma_after = (torch.einsum("c,bchw->bhw", LUMA, x) for x in (before, after))
    assert torch.allclose(luma_before, luma_after, atol=1e-5)


def test_colours_stay_in_range() -> None:
    yellow = torch.ones(50, 3, 2, 2)
    yellow[:, 2] = 0
    after = recolour(yellow, torch.arange(50), seed=0, share=1.0)
    assert after.min() >= 0 and after.max() <= 1
    assert not torch.equal(after, yellow)


def test_a_row_has_the_same_colours_in_any_company() -> None:
    before, places = pictures(6), torch.tensor([4, 9, 1, 77, 5, 1000])
    together = recolour(before, places, seed=1, share=0.7)
    alone = [recolour(before[i : i + 1], places[i : i + 1], seed=1, share=0.7) for i in range(6)]
    assert torch.equal(together, torch.cat(alone))
    assert not torch.equal(together, recolour(before, places, seed=2, share=0.7))


def test_a_share_of_zero_changes_nothing() -> None:
    before = pictures(3)
    assert recolour(before, torch.arange(3), seed=0, share=0.0) is before
    assert len(recolour(before[:0], torch.arange(0), seed=0, share=0.5)) == 0
