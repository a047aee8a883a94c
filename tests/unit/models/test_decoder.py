"""The decoder on windows and grids."""

import pytest
import torch

from majolica.config.run import DecoderConfig
from majolica.models.decoder import PixelDecoder, Window, centres, interpolation, resample
from majolica.models.majolica import pool
from tiny import awake


def test_interpolation_is_torchs_bilinear() -> None:
    grid = torch.randn(2, 5, 5, 7)
    weights = interpolation(centres(torch.zeros(2), 1.0, 20), 5)
    ours = resample(grid, weights, weights)
    theirs = torch.nn.functional.interpolate(grid.permute(0, 3, 1, 2), size=(20, 20), mode="bilinear")
    torch.testing.assert_close(ours, theirs.permute(0, 2, 3, 1), atol=1e-5, rtol=1e-5)


def test_a_window_is_the_same_part_of_the_whole() -> None:
    """Decoding a crop gives the crop of the decoded picture, but for the border that the 3x3 kernels cannot see."""
    torch.manual_seed(0)
    decoder = awake(PixelDecoder(DecoderConfig(width=8, depth=2), 16))
    tokens, estimate = torch.randn(1, 4, 4, 16), torch.randn(1, 3, 16, 16)
    pixels = torch.randn(1, 3, 32, 32)
    whole = decoder.magnify(tokens, estimate, pixels, Window.whole(1, 2, pixels.device))
    part = Window(torch.tensor([0.25]), torch.tensor([0.5]), 0.5, 2)
    crop = decoder.magnify(tokens, estimate, pixels[:, :, 8:24, 16:32], part)
    inner = (slice(None), slice(None), slice(4, -4), slice(4, -4))
    torch.testing.assert_close(crop[inner], whole[:, :, 8:24, 16:32][inner], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_pooled_it_is_the_base_picture(scale: int) -> None:
    torch.manual_seed(0)
    decoder = awake(PixelDecoder(DecoderConfig(width=8, depth=2), 16))
    tokens, base = torch.randn(2, 4, 4, 16), torch.randn(2, 3, 16, 16)
    pixels = torch.randn(2, 3, 16 * scale, 16 * scale)
    large = decoder.magnify(tokens, base, pixels, Window.whole(2, scale, pixels.device))
    torch.testing.assert_close(pool(large, scale), base, atol=2e-6, rtol=1e-5)
    assert (large - base.repeat_interleave(scale, 2).repeat_interleave(scale, 3)).abs().max() > 0.01
