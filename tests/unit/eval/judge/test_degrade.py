"""What is done to the judge's renders."""

from __future__ import annotations

import torch

from majolica.eval.judge.degrade import blur, degrade, grain, scramble, shuffle_tiles, warp


def test_blur_keeps_flat_pictures_and_spreads_a_point() -> None:
    flat = torch.full((2, 3, 12, 12), 0.3)
    torch.testing.assert_close(blur(flat, 1.5), flat)
    point = torch.zeros(1, 3, 31, 31)
    point[..., 15, 15] = 1
    spread = blur(point, 2.0)[0, 0]
    torch.testing.assert_close(spread.sum(), torch.tensor(1.0))
    rows = torch.arange(31.0) - 15
    assert abs(float((spread.sum(1) * rows**2).sum()) - 4) < 0.1  # its variance is sigma squared


def test_the_same_generator_state_gives_the_same_damage() -> None:
    pictures = torch.rand(6, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    first, again, other = (degrade(pictures, torch.Generator().manual_seed(seed)) for seed in (2, 2, 3))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == pictures.shape
    assert first.min() >= 0 and first.max() <= 1
    assert not torch.equal(first, pictures)


def test_sizes_that_no_cell_divides() -> None:
    pictures = torch.rand(2, 3, 25, 25)
    assert grain(pictures, torch.Generator()).shape == pictures.shape
    assert warp(pictures, torch.Generator()).shape == pictures.shape


def test_shuffled_tiles_are_the_same_tiles_in_another_order() -> None:
    pictures = torch.arange(16.0).view(1, 1, 4, 4).repeat_interleave(6, 2).repeat_interleave(6, 3).expand(5, 3, -1, -1)
    shuffled = shuffle_tiles(pictures, 4, torch.Generator().manual_seed(0))
    assert shuffled.shape == pictures.shape
    for before, after in zip(pictures, shuffled, strict=True):
        assert torch.equal(before.flatten().sort().values, after.flatten().sort().values)
        assert not torch.equal(before, after)


def test_scrambled_pictures_keep_their_colours_but_not_their_places() -> None:
    pictures = torch.zeros(6, 3, 48, 48)
    pictures[:, :, :24, :24] = 1
    scrambled = scramble(pictures, torch.Generator().manual_seed(0))
    assert scrambled.shape == pictures.shape
    assert (scrambled.mean((1, 2, 3)) - 0.25).abs().mean() < 0.15
    assert ((scrambled - pictures).abs().mean((1, 2, 3)) > 0.02).all()
