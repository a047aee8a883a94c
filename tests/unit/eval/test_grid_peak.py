"""The grid of patches is seen in the spectrum where there is one, and only there."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from majolica.eval.grid_peak import grid_peak


def noisy(side: int = 48) -> Tensor:
    """Grey pictures with noise that has all frequencies alike."""
    return 50 + torch.randn(64, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_without_a_grid_the_peak_is_1() -> None:
    assert grid_peak(noisy(), 6) == pytest.approx(1, abs=0.15)
    assert grid_peak(torch.full((2, 3, 48, 48), 7, dtype=torch.uint8), 6) == pytest.approx(1)


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("patch", [6, 8])
def test_a_step_at_the_border_of_every_patch_is_a_peak(axis: int, patch: int) -> None:
    images_B3HW = noisy()
    first = torch.arange(48) % patch == 0
    grid = first.view(-1, 1) if axis == 2 else first
    assert grid_peak(images_B3HW + 1.0 * grid, patch) > 2
    assert grid_peak(images_B3HW + 3.0 * grid, patch) > grid_peak(images_B3HW + 1.0 * grid, patch)


def test_only_the_finest_harmonic_is_enough() -> None:
    images_B3HW = noisy() + 2.0 * (torch.arange(48) % 2)  # the third harmonic of patches of 6 pixels
    assert grid_peak(images_B3HW, 6) > 10


def test_pictures_of_too_few_patches_are_refused() -> None:
    for side, patch in ((8, 4), (20, 6)):
        with pytest.raises(ValueError, match="three or more patches"):
            grid_peak(noisy(side), patch)
