"""Pool-consistent noising and the velocity loss."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from majolica.config.flow_times import early_until, time_quantile
from majolica.config.loss import LossConfig
from majolica.models.pooling import details, pool, repeat, shape_noise
from majolica.objectives.draws import Draws
from majolica.objectives.flow import add_noise, draw_times, velocity_loss


@pytest.mark.parametrize("scale", [2, 4])
def test_pooled_noise_is_the_same_to_float_precision(scale: int) -> None:
    """For one draw of white noise e: pool(t x + (1 - t) shape_noise(e)) = t pool(x) + (1 - t) k pool(e)."""
    image, t = torch.rand(4, 3, 32, 32) * 2 - 1, torch.tensor([0.0, 0.3, 0.7, 1.0])
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(5))
    noised = add_noise(image, t, shape_noise(noise, scale, 0.3))
    t = t[:, None, None, None]
    expected = t * pool(image, scale) + (1 - t) * scale * pool(noise, scale)
    torch.testing.assert_close(pool(noised, scale), expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_pooled_noise_has_the_distribution_of_the_base_resolution(scale: int) -> None:
    """The pooled noise is white with unit variance: mean, variance and neighbour covariance within five sigma.

    Its details have the variance that is asked for, and are independent of it.
    """
    side = 32 * scale
    noise = torch.randn(64, 3, side, side, generator=torch.Generator().manual_seed(0))
    noised = add_noise(torch.zeros(64, 3, side, side), torch.zeros(64), shape_noise(noise, scale, 0.3))
    pooled = pool(noised, scale)
    if scale > 1:
        fine = details(noised, scale)
        assert float(fine.square().mean()) == pytest.approx(0.3**2 * (1 - 1 / scale**2), rel=0.01)
        assert abs((fine * repeat(pooled, scale)).mean()) < 5 * 0.3 / fine.numel() ** 0.5
    count = pooled.numel()
    assert abs(pooled.mean()) < 5 / count**0.5
    assert abs(pooled.var() - 1) < 5 * (2 / count) ** 0.5
    assert abs((pooled[..., 1:] * pooled[..., :-1]).mean()) < 5 / count**0.5
    assert abs((pooled**4).mean() - 3) < 5 * (96 / count) ** 0.5


@pytest.mark.parametrize("early", [0.0, 0.2])
def test_quantiles_of_the_flow_times(early: float) -> None:
    loss = LossConfig(t_mean=-0.8, t_std=0.8, t_early=early)
    t_B = draw_times(Draws.seeded(range(100_000)), loss)
    for share in (0.01, 0.1, 0.5, 0.9, 0.99):
        assert float((t_B < time_quantile(share, loss)).float().mean()) == pytest.approx(share, abs=0.004)


def test_the_median_time_is_the_logistic_of_the_mean() -> None:
    assert time_quantile(0.5, LossConfig(t_mean=-0.8, t_std=2.0, t_early=0.0)) == pytest.approx(
        1 / (1 + np.exp(0.8)), abs=1e-12
    )


def test_velocity_loss_is_the_velocity_error() -> None:
    """(x_hat - z)/(1-t) - (x - s e) = (x_hat - x)/(1-t): the loss is the squared error of the velocity over s^2."""
    torch.manual_seed(0)
    clean, guess, noise = (torch.randn(2, 3, 4, 4, dtype=torch.float64) for _ in range(3))
    t, k = torch.tensor([0.2, 0.6], dtype=torch.float64), 2
    tt, kk = t[:, None, None, None], k
    z = tt * clean + (1 - tt) * kk * noise
    error = (guess - z) / (1 - tt) - (clean - kk * noise)
    loss = velocity_loss(guess.float(), clean.float(), t.float(), k, 0.05)
    torch.testing.assert_close(loss.double(), error.square().mean((1, 2, 3)) / k**2, rtol=1e-5, atol=1e-6)


def test_the_floor_bounds_the_weight() -> None:
    one = torch.ones(1, 3, 2, 2)
    assert velocity_loss(one, 0 * one, torch.tensor([0.999]), 1, 0.05).item() == pytest.approx(400)


def test_times_are_logit_normal() -> None:
    logit = torch.logit(
        draw_times(Draws.seeded(range(100_000)), LossConfig(t_mean=-0.8, t_std=0.8, t_early=0.0)).double()
    )
    assert logit.mean().item() == pytest.approx(-0.8, abs=0.02)
    assert logit.std().item() == pytest.approx(0.8, abs=0.02)


def test_a_share_of_the_times_is_early_and_the_others_are_what_they_were() -> None:
    """The early times are uniform, a fifth of the rows here, and no other row gets another time."""
    loss = LossConfig(t_mean=-0.8, t_std=0.8, t_early=0.2)
    t_B, without_B = (draw_times(Draws.seeded(range(20_000)), each) for each in (loss, replace(loss, t_early=0.0)))
    moved_B = t_B != without_B
    assert moved_B.float().mean().item() == pytest.approx(0.2, abs=0.01)
    place_B = t_B[moved_B] / early_until(loss)
    assert place_B.max() <= 1 and place_B.mean().item() == pytest.approx(0.5, abs=0.02)
    assert place_B.var().item() == pytest.approx(1 / 12, abs=0.005)
