"""Palettes are found, matched and moved to."""

import itertools

import pytest
import torch
from torch import Tensor

from majolica.properties.palette import (
    MOST,
    match_palettes,
    measure_palette,
    move_to_palettes,
    palette_distance,
)

COLOURS = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.8, 0.2], [0.1, 0.2, 0.9], [0.95, 0.95, 0.9], [0.05, 0.05, 0.1]])
WANTED = torch.tensor([[0.2, 0.3, 0.4], [0.9, 0.8, 0.2], [0.6, 0.1, 0.5], [0.1, 0.6, 0.6], [0.95, 0.7, 0.7]])


def stripes(colours_K3: Tensor, widths: list[int]) -> Tensor:
    """Vertical stripes of these colours and widths, `(1, 3, 8, W)`."""
    columns = torch.cat([colour_3.expand(width, 3) for colour_3, width in zip(colours_K3, widths, strict=True)])
    return columns.T[None, :, None].expand(1, 3, 8, -1).contiguous()


def order(colours_K3: Tensor) -> Tensor:
    return colours_K3[(colours_K3 @ torch.tensor([1.0, 2.3, 5.1])).argsort()]


def test_the_palette_of_stripes_is_their_colours_and_widths() -> None:
    widths = [24, 8, 16, 12, 4]
    found_BK3, shares_BK = measure_palette(stripes(COLOURS, widths))
    torch.testing.assert_close(order(found_BK3[0]), order(COLOURS))
    assert sorted(shares_BK[0].tolist()) == pytest.approx(sorted(width / 64 for width in widths))


def test_shades_of_a_colour_are_one() -> None:
    noisy = (stripes(COLOURS, [16] * 4 + [0]) + 0.03 * torch.randn(1, 3, 8, 64, generator=torch.manual_seed(0))).clamp(
        0, 1
    )
    found_BK3, _ = measure_palette(noisy, 4)
    assert float((order(found_BK3[0]) - order(COLOURS[:4])).abs().max()) < 0.03


def test_fewer_colours_than_asked_for_have_no_share() -> None:
    _, shares_BK = measure_palette(stripes(COLOURS[:2], [24, 8]))
    assert sorted(shares_BK[0].tolist()) == [0, 0, 0, 0.25, 0.75]


def test_colours_are_matched_by_the_least_movement_of_all_pixels() -> None:
    """As trying all orders finds."""
    draw = torch.Generator().manual_seed(1)
    found, wanted = torch.rand(6, 4, 3, generator=draw), torch.rand(6, 4, 3, generator=draw)
    shares = torch.rand(6, 4, generator=draw)
    matched = match_palettes(found, shares, wanted)
    for row in range(6):
        costs = {
            each: sum(
                float(shares[row, k] * (found[row, k] - wanted[row, j]).square().sum()) for k, j in enumerate(each)
            )
            for each in itertools.permutations(range(4))
        }
        assert torch.equal(matched[row], wanted[row, list(min(costs, key=lambda each: costs[each]))])


def test_a_picture_is_moved_to_the_colours_that_are_wanted() -> None:
    images = stripes(COLOURS, [24, 8, 16, 12, 4])
    moved = move_to_palettes(images, WANTED[None])
    assert float(palette_distance(moved, WANTED[None])) < 0.03 < float(palette_distance(images, WANTED[None]))
    found_BK3, _ = measure_palette(moved)
    assert float((order(found_BK3[0]) - order(WANTED)).abs().max()) < 0.06


def test_a_picture_of_its_palette_stays_as_it_is() -> None:
    images = stripes(COLOURS, [16, 8, 16, 20, 4])
    torch.testing.assert_close(move_to_palettes(images, COLOURS[None].flip(1)), images, atol=1e-5, rtol=0)


def test_the_order_of_the_pixels_says_nothing_about_the_palette() -> None:
    """To the bit, because a device may add up in any order."""
    images = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    shuffled = images.flatten(2)[..., torch.randperm(256, generator=torch.Generator().manual_seed(4))].view_as(images)
    for found, expected in zip(measure_palette(shuffled), measure_palette(images), strict=True):
        assert torch.equal(found, expected)


def test_no_picture_depends_on_those_beside_it_or_on_how_many_colours_they_have() -> None:
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    wanted_BK3 = torch.full((3, MOST, 3), torch.nan)
    wanted_BK3[0], wanted_BK3[1, :2] = WANTED, WANTED[:2]
    together = move_to_palettes(images, wanted_BK3)
    assert torch.equal(together[2], images[2])
    for row in range(3):
        alone = move_to_palettes(images[row : row + 1], wanted_BK3[row : row + 1])
        torch.testing.assert_close(alone[0], together[row], atol=1e-6, rtol=0)
