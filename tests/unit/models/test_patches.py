"""Patches that overlap: they blend to a whole, and no border of theirs shows."""

from __future__ import annotations

import pytest
import torch

from majolica.models.patches import overlap_patches, patchify

GRID = (3, 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("patch", [1, 3, 4, 6])
def test_equal_tokens_paint_an_even_ground(patch: int, dtype: torch.dtype) -> None:
    x_BNP = torch.full((2, 6, 3 * (2 * patch) ** 2), 0.75).to(dtype)
    image = overlap_patches(x_BNP, patch, GRID)
    assert image.shape == (2, 3, 3 * patch, 2 * patch)
    torch.testing.assert_close(image, torch.full_like(image, 0.75))


@pytest.mark.parametrize("patch", [3, 4])
def test_what_tokens_agree_on_is_what_is_painted(patch: int) -> None:
    """Tokens that all paint the same picture, each its own window of it, paint just that picture."""
    side, beyond = 2 * patch, patch // 2
    wide = torch.randn(1, 3, GRID[0] * patch + side - patch, GRID[1] * patch + side - patch)
    windows_BPN = torch.nn.functional.unfold(wide, side, stride=patch)
    image = overlap_patches(windows_BPN.transpose(1, 2), patch, GRID)
    wanted = wide[:, :, beyond : beyond + GRID[0] * patch, beyond : beyond + GRID[1] * patch]
    torch.testing.assert_close(image, wanted)


def test_a_token_fades_into_its_neighbours() -> None:
    """Where one token says 1 and the others 0, no step from pixel to pixel is larger than that of the triangle."""
    patch = 6
    x_BNP = torch.zeros(1, 25, 3 * (2 * patch) ** 2)
    x_BNP[:, 12] = 1
    image = overlap_patches(x_BNP, patch, (5, 5))[0, 0]
    assert image.diff(dim=0).abs().max() <= 1 / patch + 1e-6
    assert image.diff(dim=1).abs().max() <= 1 / patch + 1e-6
    assert image[15, 15] > 0.8 and image[:6].abs().max() == 0
    torch.testing.assert_close(image, image.flip(0))
    torch.testing.assert_close(image, image.T)


def test_patches_are_cut_row_by_row() -> None:
    image = torch.arange(24.0).view(1, 1, 4, 6)
    assert patchify(image, 2)[0, 1].tolist() == [2, 3, 8, 9]
