"""Whether soft lines are seen in the power of the finest octave."""

from __future__ import annotations

import math

import pytest
import torch

from majolica.eval.evaluators.likeness import fine_power


def wave(amplitude: float, cycles: int, side: int = 48) -> torch.Tensor:
    """Grey pictures with so many cycles from the left to the right."""
    row_W = 128 + amplitude * torch.sin(2 * math.pi * cycles / side * torch.arange(side))
    return row_W.expand(2, 3, side, side)


def test_the_finest_octave_alone_counts() -> None:
    fine, coarse = (wave(40, cycles) - 128 for cycles in (18, 6))  # 3/8 and 1/8 of a cycle a pixel
    assert fine_power(128 + fine, 128 + fine + coarse) == pytest.approx(1, rel=1e-4)
    assert fine_power(128 + fine / 2, 128 + fine) == pytest.approx(1 / 4, rel=1e-4)  # power is amplitude squared
    assert fine_power(128 + coarse, 128 + fine) == pytest.approx(0, abs=1e-6)
