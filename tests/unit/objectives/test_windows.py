"""The loss of a random tile is an unbiased estimate of the loss of the whole picture."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from majolica.config.model import DecoderConfig
from majolica.models import decoder as glaze
from majolica.models.decoder import PixelDecoder
from majolica.models.interpolation import Window
from majolica.models.pooling import details
from majolica.objectives import windows
from majolica.objectives.flow import velocity_loss
from majolica.objectives.windows import choose_tiles, cut
from tiny import awake


def losses(config: DecoderConfig, base: tuple[int, int], scale: int) -> tuple[Tensor, Tensor]:
    """The losses of all tiles of a picture, and that of the picture, in float64."""
    torch.manual_seed(0)
    net = awake(PixelDecoder(config, 16)).double()
    height, width = base[0] * scale, base[1] * scale
    tokens, small = torch.randn(1, 5, 4, 16).double(), torch.randn(1, 3, *base).double()
    noisy, clean = torch.randn(1, 3, height, width).double(), torch.randn(1, 3, height, width).double()
    t_B = torch.tensor([0.4]).double()
    zero = torch.zeros(1).double()
    whole = net.predict_details(tokens, small, noisy, Window(zero, zero, (1.0, 1.0), scale))
    found = []
    for row, column in itertools.product(range(scale), repeat=2):
        tiles = choose_tiles([(row, column)], base, scale, config, torch.device("cpu"))
        tops, lefts = (torch.tensor([corner[i] for corner in tiles.read]).double() for i in (0, 1))
        window = Window(tops / height, lefts / width, tiles.window.share, scale)
        torch.testing.assert_close(window.top_B, tiles.window.top_B.double())
        part = net.predict_details(tokens, small, cut(noisy, tiles.read, tiles.size), window)
        wanted = clean[:, :, row * base[0] : (row + 1) * base[0], column * base[1] : (column + 1) * base[1]]
        assert torch.equal(cut(cut(clean, tiles.read, tiles.size), tiles.inner, base), wanted)
        true = cut(details(cut(clean, tiles.read, tiles.size), scale), tiles.inner, base)
        ours = cut(part, tiles.inner, base)
        found.append(velocity_loss(ours, true, t_B, 0.3, 0.05))
    return torch.cat(found), velocity_loss(whole, details(clean, scale), t_B, 0.3, 0.05)


@pytest.mark.parametrize(("base", "scale"), [((48, 48), 2), ((32, 48), 3), ((24, 16), 4), ((30, 42), 3)])
@pytest.mark.parametrize("config", [DecoderConfig(2, 8, 1, 1), DecoderConfig(1, 8, 1, 0), DecoderConfig(2, 8, 2, 2)])
def test_the_mean_over_tiles_is_the_loss_of_the_picture(
    config: DecoderConfig, base: tuple[int, int], scale: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)  # losses are float32 otherwise
    tiles, whole = losses(config, base, scale)
    assert tiles.std() > 1e-3
    torch.testing.assert_close(tiles.mean(), whole[0], rtol=1e-12, atol=0)
    monkeypatch.setattr(windows, "reach_of", lambda *_: 0)
    blind, _ = losses(config, base, scale)
    if base != (30, 42):  # whose sides are no multiples of what the decoder joins, so that all of it is read
        assert abs(blind.mean() / whole[0] - 1) > 1e-6


def test_the_reach_is_that_of_the_decoder() -> None:
    config = DecoderConfig()
    assert PixelDecoder(config, 16).reach(3) == glaze.reach_of(config, 3) == windows.reach_of(config, 3)
