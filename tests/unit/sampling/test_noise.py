"""Noise that a seed alone decides, and seeds as callers give them."""

import numpy as np
import pytest
import torch

from majolica.errors import UserError
from majolica.models.pooling import details, pool
from majolica.sampling.noise import draw_noise, read_seeds


def test_noise_is_white_at_every_size() -> None:
    for scale in (1, 2, 4):
        noise = torch.stack([draw_noise(seed, (16, 24), scale, 0.3) for seed in range(300)])
        if scale > 1:
            assert float(details(noise, scale).square().mean()) == pytest.approx(0.09 * (1 - 1 / scale**2), rel=0.01)
        noise = pool(noise, scale)
        count = noise.numel()
        assert abs(noise.mean()) < 5 / count**0.5
        assert abs(noise.var() - 1) < 5 * (2 / count) ** 0.5
        assert abs((noise[..., 1:] * noise[..., :-1]).mean()) < 5 / count**0.5


def test_one_seed_is_one_picture_at_every_size() -> None:
    small = draw_noise(11, (16, 24), 1, 0.3)
    for scale in (2, 4):
        torch.testing.assert_close(pool(draw_noise(11, (16, 24), scale, 0.3), scale), small, atol=1e-5, rtol=1e-5)


def test_every_bit_of_a_seed_counts() -> None:
    """Torch's generator for CPUs drops all but the lowest 32 bits."""
    seeds = [0, *(1 << bit for bit in range(64))]
    drawn = {tuple(draw_noise(seed, (2, 2), 1, 0.3).flatten().tolist()) for seed in seeds}
    assert len(drawn) == len(seeds)


def test_seeds_as_callers_give_them() -> None:
    assert read_seeds(10**13, 3) == [10**13] * 3
    assert read_seeds(np.int64(5), 2) == read_seeds(torch.tensor(5), 2) == [5, 5]
    assert read_seeds(range(2), 2) == read_seeds(np.arange(2), 2) == read_seeds(torch.arange(2), 2) == [0, 1]


@pytest.mark.parametrize("given", [-1, 2**63 + 1, 0.5, None, True, "7", [1, 2.5], np.array([0.5, 1.0])])
def test_what_is_no_seed_is_refused(given: object) -> None:
    with pytest.raises(UserError, match=r"the seed is .* give a whole number"):
        read_seeds(given, 2)
