"""The smooth enlargement of a base picture."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.models.enlargement import CELLS, correct_means, cubic, enlarge
from majolica.models.interpolation import Window
from majolica.models.pooling import details, pool, repeat

BASE = torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def bicubic(images_B3HW: Tensor, scale: int) -> Tensor:
    return F.interpolate(images_B3HW, scale_factor=scale, mode="bicubic", align_corners=False)


def whole(scale: int) -> Tensor:
    return enlarge(BASE, Window.whole(2, scale, BASE.device), [6 * scale, 5 * scale])


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_it_is_bicubic(scale: int) -> None:
    torch.testing.assert_close(whole(scale), bicubic(BASE, scale), atol=1e-6, rtol=0)


def test_a_window_is_a_part_of_the_whole() -> None:
    window = Window(torch.tensor([1 / 3, 0.0]), torch.tensor([0.4, 0.2]), (0.5, 0.6), 4)
    part = enlarge(BASE, window, [12, 12])
    torch.testing.assert_close(part[0], whole(4)[0, :, 8:20, 8:20], atol=1e-6, rtol=0)
    torch.testing.assert_close(part[1], whole(4)[1, :, 0:12, 4:16], atol=1e-6, rtol=0)


@pytest.mark.parametrize(("scale", "most"), [(2, 1.05), (4, 1.2)])
def test_cells_show_less_than_with_bilinear_enlargement(scale: int, most: float) -> None:
    """Around a disc with a hard edge."""
    down, across = torch.meshgrid(torch.arange(192.0), torch.arange(192.0), indexing="ij")
    disc = ((down - 95.3) ** 2 + (across - 97.1) ** 2 < 61**2).double().expand(1, 3, 192, 192)
    base = pool(disc, scale)
    window = Window.whole(1, scale, base.device)
    smooth = correct_means(enlarge(base, window, disc.shape[2:]), base, window)
    bilinear = F.interpolate(base, scale_factor=scale, mode="bilinear", align_corners=False)
    assert lattice(base, smooth, scale) < most < 1.25 < lattice(base, bilinear, scale)


def lattice(base_B3HW: Tensor, large_B3HW: Tensor, scale: int) -> float:
    """Steps between cells over all steps, of the base picture with the details of the large one."""
    picture = repeat(base_B3HW, scale) + details(large_B3HW, scale)
    steps_W = picture.diff(dim=3).abs().mean((0, 1, 2))
    return float(steps_W[scale - 1 :: scale].mean() / steps_W.mean())


def test_weights_sum_to_one_and_borders_go_on() -> None:
    centre_BP = torch.linspace(0.001, 0.999, 40, dtype=torch.float64)[None]
    weights_BPH = cubic(centre_BP, 7)
    torch.testing.assert_close(weights_BPH.sum(2), torch.ones(1, 40, dtype=torch.float64))
    assert cubic(torch.tensor([[0.0, 1.0]]), 3)[0, :, [0, 2]].diagonal().min() > 1  # beyond the outermost centres


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_picture_whose_means_are_wrong_is_moved_smoothly(scale: int) -> None:
    """Its means come nearer to those of the base picture, and one whose means are right stays as it is."""
    zero_B = torch.zeros(2, dtype=torch.float64)
    window = Window(zero_B, zero_B, (1.0, 1.0), scale)
    large = whole(scale) + 0.2 * BASE.mean()
    moved = correct_means(large, BASE, window)
    before, after = ((pool(each, scale) - BASE).abs().mean() for each in (large, moved))
    assert after < 0.25 * before
    torch.testing.assert_close(correct_means(large, pool(large, scale), window), large)


def test_what_is_moved_reads_no_farther_than_it_says() -> None:
    """A pixel changes those of its own cell and of the two next to it on either side."""
    scale, base = 4, torch.zeros(1, 3, 16, 16, dtype=torch.float64)
    large = torch.zeros(1, 3, 64, 64, dtype=torch.float64)
    large[..., 32, 32] = 1  # the first of its cell
    moved = correct_means(large, base, Window.whole(1, scale, base.device))
    rows = (repeat(pool(moved, scale), scale) != 0).any(3)[0, 0].nonzero()[:, 0]
    assert 32 - int(rows.min()) <= CELLS * scale - 1 and int(rows.max()) - 32 <= CELLS * scale - 1
    assert int(rows.max()) - 32 == CELLS * scale - 1
