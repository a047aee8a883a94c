"""Scaled decoding only where twice the target is left; the cut and the scale are those of a full decode."""

from __future__ import annotations

import numpy as np
import pytest

from majolica.data.pictures.decode import decode
from majolica.data.pictures.fit import fit_picture
from picture_files import encoded


def photograph(height: int, width: int) -> bytes:
    """A JPEG with soft shapes and edges, as photographs have."""
    y, x = np.mgrid[0:height, 0:width] / min(height, width)
    rings = 128 + 100 * np.sin(12 * np.hypot(y - 0.4, x - 0.6))
    pixels = np.stack((rings, 255 * (x % 1), np.where(y > x, 200, 40)), -1).clip(0, 255).astype(np.uint8)
    return encoded(pixels, quality=92)


@pytest.mark.parametrize(
    ("height", "width", "target", "decoded"),
    [
        (512, 512, (256, 256), (512, 512)),
        (1023, 1500, (256, 256), (1023, 1500)),  # half of it would be less than 512
        (1024, 1500, (256, 256), (512, 750)),
        (2048, 3001, (256, 256), (512, 751)),
        (4096, 4096, (256, 256), (512, 512)),
        (4096, 4096, (128, 128), (512, 512)),
        (1024, 1024, (512, 512), (1024, 1024)),
        (1024, 2048, (192, 384), (512, 1024)),
    ],
)
def test_twice_the_target_is_kept(height: int, width: int, target: tuple[int, int], decoded: tuple[int, int]) -> None:
    found = decode(photograph(height, width), target)
    assert found.image.shape == (*decoded, 3) and found.size == (height, width)


def test_a_scaled_decode_looks_the_same() -> None:
    data = photograph(1200, 1600)
    quick, full = (fit_picture(decode(data, target).image, (256, 256)).float() for target in ((256, 256), None))
    error = float((quick - full).square().mean())
    assert 10 * np.log10(255**2 / error) > 45  # decibels


def test_without_a_target_every_pixel_is_decoded() -> None:
    assert decode(photograph(1600, 1200)).image.shape == (1600, 1200, 3)


@pytest.mark.parametrize(("height", "width"), [(100, 100), (100, 61), (64, 200), (33, 35)])
@pytest.mark.parametrize("target", [(32, 32), (24, 40), (40, 24)])
def test_the_cut_is_central_and_keeps_proportions(height: int, width: int, target: tuple[int, int]) -> None:
    y, x = np.mgrid[0:height, 0:width]
    ramps = ((y + 0.5) * 255 / height, (x + 0.5) * 255 / width, np.zeros((height, width)))
    image = np.stack(ramps, -1).round().astype(np.uint8)
    got = fit_picture(image, target).float()
    assert got.shape == (3, *target)
    scale = min(height / target[0], width / target[1])
    for channel, (side, cut) in enumerate(((height, target[0] * scale), (width, target[1] * scale))):
        along = got[channel].mean(1 - channel)
        assert float(along.mean()) == pytest.approx(127.5, abs=1 + 255 / side / 2)  # to half a pixel
        assert float(along[-1] - along[0]) == pytest.approx(255 * cut / side, abs=12)
