"""The decoder on windows and grids."""

import pytest
import torch

from majolica.config.model import DecoderConfig
from majolica.models.decoder import PixelDecoder, convolve, double, fold, pad, unfold
from majolica.models.interpolation import Window, centres, interpolation, resample
from majolica.models.pooling import pool
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
    config = DecoderConfig(stride=1, width=8, depth=2, half_depth=0)
    decoder = awake(PixelDecoder(config, 16))
    tokens, estimate = torch.randn(1, 4, 4, 16), torch.randn(1, 3, 32, 32)
    pixels = torch.randn(1, 3, 64, 64)
    whole = decoder.predict_details(tokens, estimate, pixels, Window.whole(1, 2, pixels.device))
    part = Window(torch.tensor([0.25]), torch.tensor([0.5]), (0.5, 0.5), 2)
    crop = decoder.predict_details(tokens, estimate, pixels[:, :, 16:48, 32:64], part)
    edge = decoder.reach(2)
    inner = (slice(None), slice(None), slice(edge, -edge), slice(edge, -edge))
    torch.testing.assert_close(crop[inner], whole[:, :, 16:48, 32:64][inner], atol=1e-5, rtol=1e-5)


def test_the_half_resolution_keeps_every_place() -> None:
    """A ramp that is halved and doubled again is the ramp, but for the border that bilinear weights clamp."""
    x_BPQC = (torch.arange(16)[:, None, None] + 10.0 * torch.arange(12)[None, :, None])[None]
    halve = torch.nn.Conv2d(1, 1, 2, stride=2, bias=False)
    torch.nn.init.constant_(halve.weight, 0.25)
    again_BPQC = double(convolve(halve, x_BPQC))
    assert again_BPQC.shape == x_BPQC.shape
    inner = (slice(None), slice(1, -1), slice(1, -1))
    torch.testing.assert_close(again_BPQC[inner], x_BPQC[inner])


@pytest.mark.parametrize("side", [(15, 16), (13, 15)])
def test_padding_moves_no_pixel(side: tuple[int, int]) -> None:
    """The pixels of a padded picture have the coordinates that they had before."""
    window = Window(torch.tensor([0.25]), torch.tensor([0.0]), (0.5, 1.0), 2)
    padded, wider = pad(torch.randn(1, 3, *side), window, 4)
    assert padded.shape[2] % 4 == padded.shape[3] % 4 == 0
    for axis, start in ((0, window.top_B), (1, window.left_B)):
        before = centres(start, window.share[axis], side[axis])
        torch.testing.assert_close(centres(start, wider.share[axis], padded.shape[2 + axis])[:, : side[axis]], before)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("half_depth", [0, 1])
def test_it_sees_its_neighbours_and_not_the_far_side(stride: int, half_depth: int) -> None:
    """A pixel of noise changes what is painted around it, as far as `reach` says, and no farther."""
    torch.manual_seed(0)
    config = DecoderConfig(stride=stride, width=8, depth=1, half_depth=half_depth)
    decoder = awake(PixelDecoder(config, 16))
    tokens, estimate, pixels = torch.randn(1, 4, 4, 16), torch.randn(1, 3, 64, 64), torch.randn(1, 3, 64, 64)
    distances = []
    for place in range(28, 32):  # the first to the last pixel of a unit
        other = pixels.clone()
        other[:, :, place, place] += 1
        change_HW = (decoder(tokens, estimate, other) - decoder(tokens, estimate, pixels)).abs().amax((0, 1))
        distances += (((change_HW > 0).any(1).nonzero() - place).abs().flatten()).tolist()
    assert min(distances) == 0
    assert max(distances) == decoder.reach()


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_pooled_details_are_nothing(scale: int, bf16: bool) -> None:
    """Also under autocast, where means in bfloat16 would leave several of 255 shades."""
    torch.manual_seed(0)
    decoder = awake(PixelDecoder(DecoderConfig(width=8, depth=2), 16))
    tokens, base = torch.randn(2, 4, 4, 16), torch.randn(2, 3, 16, 16)
    pixels = torch.randn(2, 3, 16 * scale, 16 * scale)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        large = decoder.predict_details(tokens, base, pixels, Window.whole(2, scale, pixels.device))
    torch.testing.assert_close(pool(large, scale), torch.zeros_like(base), atol=2e-6, rtol=0)
    assert large.abs().max() > 0.01


def test_folding_is_torchs_unshuffle_and_unfolding_undoes_it() -> None:
    pixels = torch.randn(2, 6, 12, 18)
    squares = fold(pixels, 3)
    assert torch.equal(squares.permute(0, 3, 1, 2), torch.nn.functional.pixel_unshuffle(pixels, 3))
    assert torch.equal(unfold(squares, 3), pixels)
    assert fold(pixels[:0], 3).shape == (0, 4, 6, 54)
