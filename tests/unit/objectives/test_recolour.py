"""Clean rows in other colours: a share of them, each by its own draws, and never their luma."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from majolica.config.run import LossConfig
from majolica.objectives.draws import Draws
from majolica.objectives.joint import make_rows
from majolica.objectives.recolour import recolour, recolour_share

LUMA = torch.tensor([0.299, 0.587, 0.114])


def pictures(count: int) -> Tensor:
    """Pictures of colours so mild that no hue leaves [-1, 1]."""
    return 0.3 * (2 * torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(0)) - 1)


def is_grey(picture_3HW: Tensor) -> bool:
    return bool((picture_3HW.amax(0) - picture_3HW.amin(0)).max() < 1e-6)


def test_half_of_the_share_is_grey_and_half_has_another_hue() -> None:
    before = pictures(400)
    after = recolour(before, 0.5, Draws.seeded(range(400)))
    same = [torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    grey = [is_grey(picture) for picture in after]
    assert sum(same) / 400 == pytest.approx(0.5, abs=0.08)
    assert sum(grey) / 400 == pytest.approx(0.25, abs=0.07)
    luma_before, luma_after = (torch.einsum("c,bchw->bhw", LUMA, x) for x in (before, after))
    assert torch.allclose(luma_before, luma_after, atol=1e-5)


def test_colours_stay_in_range() -> None:
    bright = torch.ones(50, 3, 2, 2)
    bright[:, 2] = -1  # yellow at full strength
    after = recolour(bright, 1.0, Draws.seeded(range(50)))
    assert after.abs().max() <= 1
    assert not torch.equal(after, bright)


def test_a_row_has_the_same_colours_in_any_company() -> None:
    before = pictures(6)
    together = recolour(before, 0.7, Draws.seeded(range(6)))
    alone = [recolour(before[i : i + 1], 0.7, Draws.seeded([i])) for i in range(6)]
    assert torch.equal(together, torch.cat(alone))


def test_a_share_of_zero_draws_nothing() -> None:
    before, draws = pictures(3), Draws.seeded(range(3))
    assert recolour(before, 0.0, draws) is before
    assert torch.equal(draws.uniform(), Draws.seeded(range(3)).uniform())


def test_it_begins_when_told() -> None:
    config = LossConfig(recolour=0.4, recolour_from=0.3)
    assert [recolour_share(config, done) for done in (0.0, 0.29, 0.3, 1.0)] == [0, 0, 0.4, 0.4]


def test_noisy_rows_and_conditions_stay_as_they_are() -> None:
    images, none = torch.rand(6, 3, 8, 8), torch.zeros(0, 3, 16, 16)
    tokens, config = torch.randint(1, 50, (6, 4)), LossConfig()
    (plain, _), (changed, _) = (
        make_rows(images, none, tokens, config, ("brightness",), 3, Draws.seeded(range(6)), share) for share in (0, 1)
    )
    assert torch.equal(plain.base_B3HW[:3], changed.base_B3HW[:3])
    assert not any(torch.equal(a, b) for a, b in zip(plain.base_B3HW[3:], changed.base_B3HW[3:], strict=True))
    assert torch.equal(plain.condition.values_BP, changed.condition.values_BP)
    assert torch.equal(plain.condition.has_text_B, changed.condition.has_text_B)
