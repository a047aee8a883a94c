"""A picture that is decoded in tiles is the picture that is decoded at once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from majolica.config.model import DecoderConfig
from majolica.models.decoder import PixelDecoder
from majolica.models.interpolation import Window
from majolica.models.tiles import decode_in_tiles, spans
from tiny import awake


def decoder(stride: int, depth: int, half_depth: int) -> PixelDecoder:
    torch.manual_seed(0)
    return awake(PixelDecoder(DecoderConfig(stride, width=8, depth=depth, half_depth=half_depth), 16)).double()


@pytest.mark.parametrize(("stride", "depth", "half_depth"), [(1, 2, 0), (1, 2, 2), (2, 1, 1), (2, 2, 2), (3, 1, 1)])
@pytest.mark.parametrize(("scale", "tile"), [(2, 16), (3, 14), (4, 24), (2, 1000)])
def test_tiles_agree_with_the_whole(stride: int, depth: int, half_depth: int, scale: int, tile: int) -> None:
    net = decoder(stride, depth, half_depth)
    tokens, base = torch.randn(2, 5, 4, 16).double(), torch.randn(2, 3, 30, 24).double()
    pixels = torch.randn(2, 3, 30 * scale, 24 * scale).double()

    def decode(part: Tensor, window: Window) -> Tensor:
        return net.predict_details(tokens, base, part, window)

    whole = decode(pixels, Window(torch.zeros(2).double(), torch.zeros(2).double(), (1.0, 1.0), scale))
    tiled = decode_in_tiles(decode, pixels, scale, tile, net.reach(scale), net.unit)
    torch.testing.assert_close(tiled, whole, atol=1e-12, rtol=0)
    blind = decode_in_tiles(decode, pixels, scale, tile, 0, net.unit)
    if tile < 24 * scale:
        assert (blind - whole).abs().max() > 1e-4, "tiles that do not see beyond their borders must differ"


@pytest.mark.parametrize(("pixels", "tile", "unit"), [(96, 32, 2), (90, 32, 6), (100, 7, 1), (64, 64, 4), (63, 5, 12)])
def test_spans_cover_every_pixel_once(pixels: int, tile: int, unit: int) -> None:
    found = list(spans(pixels, tile, 5, unit))
    assert [place for span in found for place in range(span.start, span.stop)] == list(range(pixels))
    for span in found:
        assert 0 <= span.first <= span.start < span.stop <= span.last <= pixels
        assert span.start - span.first >= min(5, span.start) and span.last - span.stop >= min(5, pixels - span.stop)
        assert span.first % unit == 0
