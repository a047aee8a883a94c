"""Measures of detail: known pictures have known values."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from majolica.eval.detail import octave_powers, octave_ratios, seam_index


def noise(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def test_noise_and_flat_pictures_have_no_seams() -> None:
    assert seam_index(noise(32, 3, 96, 96), 12) == pytest.approx(1, abs=0.02)
    assert seam_index(torch.full((2, 3, 48, 48), 7, dtype=torch.uint8), 12) == 1


@pytest.mark.parametrize("axis", [2, 3])
def test_steps_between_cells_are_seams(axis: int) -> None:
    """Bands of 12 pixels that are brighter by turns, in noise: the seams are the only other steps."""
    band = (torch.arange(96) // 12 % 2).float()
    picture = 0.1 * noise(4, 3, 96, 96) + (band[:, None] if axis == 2 else band)
    assert seam_index(picture, 12) > 10
    assert seam_index(picture.roll(3, axis), 12) < 1.1, "a step elsewhere is no seam"


def test_a_picture_without_a_seam_inside_is_refused() -> None:
    with pytest.raises(ValueError, match="no seam every 48 pixels"):
        seam_index(noise(1, 3, 48, 96), 48)


def wave(frequency: float, side: int = 64) -> Tensor:
    """A sine along the rows, of so many cycles a pixel."""
    line = (2 * torch.pi * frequency * torch.arange(side)).sin()
    return line.expand(1, 3, side, side)


def test_a_wave_lies_in_its_octave() -> None:
    for frequency, place in ((0.1875, 0), (0.375, 1)):
        powers = octave_powers(wave(frequency), 4)
        assert len(powers) == 2 and powers[place] > 1e6 * powers[1 - place]
    assert max(octave_powers(wave(0.0625), 4)) < 1e-9, "what the base picture has does not count"
    assert len(octave_powers(wave(0.25), 2)) == 1 and len(octave_powers(wave(0.25), 3)) == 2


def test_twice_the_amplitude_is_four_times_the_power() -> None:
    assert octave_ratios(2 * noise(8, 3, 64, 64), noise(8, 3, 64, 64), 4) == pytest.approx([4, 4])
