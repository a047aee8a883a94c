"""The decoder on windows and grids."""

import pytest
import torch

from majolica.config.run import DecoderConfig
from majolica.models.decoder import (
    PixelDecoder,
    Window,
    centres,
    convolve,
    double,
    interpolation,
    pad_to_even,
    resample,
)
from majolica.models.majolica import pool
from tiny import awake


def test_interpolation_is_torchs_bilinear() -> None:
    grid = torch.randn(2, 5, 5, 7)
    weights = interpolation(centres(torch.zeros(2), 1.0, 20), 5)
    ours = resample(grid, weights, weights)
    theirs = torch.nn.functional.interpolate(grid.permute(0, 3, 1, 2), size=(20, 20), mode="bilinear")
    torch.testing.assert_close(ours, theirs.permute(0, 2, 3, 1), atol=1e-5, rtol=1e-5)


def test_a_window_is_the_same_part_of_the_whole() -> None:
    """Decoding a crop gives the crop of the decoded picture, but for the border that the kernels cannot see."""
    torch.manual_seed(0)
    config = DecoderConfig(width=8, depth=2, half_depth=1)
    decoder = awake(PixelDecoder(config, 16))
    tokens, estimate = torch.randn(1, 4, 4, 16), torch.randn(1, 3, 32, 32)
    pixels = torch.randn(1, 3, 64, 64)
    whole = decoder.magnify(tokens, estimate, pixels, Window.whole(1, 2, pixels.device))
    part = Window(torch.tensor([0.25]), torch.tensor([0.5]), (0.5, 0.5), 2)
    crop = decoder.magnify(tokens, estimate, pixels[:, :, 16:48, 32:64], part)
    edge = decoder.reach
    inner = (slice(None), slice(None), slice(edge, -edge), slice(edge, -edge))
    torch.testing.assert_close(crop[inner], whole[:, :, 16:48, 32:64][inner], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("side", [(16, 16), (15, 16), (15, 13)])
def test_the_half_resolution_keeps_every_place(side: tuple[int, int]) -> None:
    """A ramp that is halved and doubled again is the ramp, but for the border that bilinear weights clamp."""
    height, width = side
    x_BPQC = (torch.arange(height)[:, None, None] + 10.0 * torch.arange(width)[None, :, None])[None]
    halve = torch.nn.Conv2d(1, 1, 2, stride=2, bias=False)
    torch.nn.init.constant_(halve.weight, 0.25)
    again_BPQC = double(convolve(halve, pad_to_even(x_BPQC)), height, width)
    assert again_BPQC.shape == x_BPQC.shape
    inner = (slice(None), slice(1, -2), slice(1, -2))
    torch.testing.assert_close(again_BPQC[inner], x_BPQC[inner])


@pytest.mark.parametrize("half_depth", [0, 1])
def test_it_sees_its_neighbours_and_not_the_far_side(half_depth: int) -> None:
    """A pixel of noise changes what is painted around it, as far as the kernels reach, and no farther."""
    torch.manual_seed(0)
    decoder = awake(PixelDecoder(DecoderConfig(width=8, depth=1, half_depth=half_depth), 16))
    tokens, estimate, pixels = torch.randn(1, 4, 4, 16), torch.randn(1, 3, 32, 32), torch.randn(1, 3, 32, 32)
    other = pixels.clone()
    other[:, :, 15, 15] += 1
    change_HW = (decoder(tokens, estimate, other) - decoder(tokens, estimate, pixels)).abs().amax((0, 1))
    rows = (change_HW > 0).any(1).nonzero()
    near, far = int((rows - 15).abs().min()), int((rows - 15).abs().max())
    assert near == 0 and far == (3 if not half_depth else 7)
    assert decoder.reach - 1 <= far <= decoder.reach  # one less at some places of a pair


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_pooled_it_is_the_base_picture(scale: int) -> None:
    torch.manual_seed(0)
    decoder = awake(PixelDecoder(DecoderConfig(width=8, depth=2), 16))
    tokens, base = torch.randn(2, 4, 4, 16), torch.randn(2, 3, 16, 16)
    pixels = torch.randn(2, 3, 16 * scale, 16 * scale)
    large = decoder.magnify(tokens, base, pixels, Window.whole(2, scale, pixels.device))
    torch.testing.assert_close(pool(large, scale), base, atol=2e-6, rtol=1e-5)
    assert (large - base.repeat_interleave(scale, 2).repeat_interleave(scale, 3)).abs().max() > 0.01
