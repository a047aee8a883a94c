"""Flow matching in pixels: pool-consistent noising, and the velocity loss of a predicted image.

docs/architecture.md gives the mathematics.
"""

from __future__ import annotations

import torch
from torch import Tensor

from majolica.config.flow_times import early_until
from majolica.config.loss import LossConfig
from majolica.objectives.draws import Draws


def draw_times(draws: Draws, loss: LossConfig) -> Tensor:
    """Return flow times `(B,)` with logit(t) ~ N(t_mean, t_std^2), as in JiT (arXiv 2511.13720, section 4).

    A share of them, `loss.t_early`, is uniform from 0 to `early_until` instead.
    """
    t_B = torch.sigmoid(loss.t_mean + loss.t_std * draws.normal())
    if not loss.t_early:
        return t_B
    place_B = draws.uniform() / loss.t_early
    return torch.where(place_B < 1, place_B * early_until(loss), t_B)


def add_noise(clean_BCHW: Tensor, t_B: Tensor, noise_BCHW: Tensor) -> Tensor:
    """Return z_t = t x + (1 - t) e for a clean image x and noise e, which is that of `shape_noise`.

    Average-pooled by k, it has the distribution of z_t of the pooled image at the base resolution.
    """
    t = t_B[:, None, None, None]
    return t * clean_BCHW + (1 - t) * noise_BCHW


TIME_BINS = 5
"""Number of equal parts of the flow time for which the log has a loss of their own."""


def sum_by_time(loss_M: Tensor, t_M: Tensor) -> Tensor:
    """Return the sum of the losses and the number of rows by part of the time, `(TIME_BINS, 2)`."""
    bin_M = (t_M * TIME_BINS).long().clamp(max=TIME_BINS - 1)
    member_KM = (bin_M == torch.arange(TIME_BINS, device=t_M.device)[:, None]).to(loss_M.dtype)
    return member_KM @ torch.stack((loss_M.detach(), torch.ones_like(loss_M)), 1)


def velocity_loss(predicted_BCHW: Tensor, clean_BCHW: Tensor, t_B: Tensor, noise: float, floor: float) -> Tensor:
    """Return ||x_hat - x||^2 / (s max(1 - t, floor))^2 for each row, `(B,)`.

    ||.||^2 is the mean over channels and pixels, and s is the standard deviation of the `noise`, by
    which details and base pictures have about the same weight.
    """
    error_B = (predicted_BCHW.float() - clean_BCHW).square().mean((1, 2, 3))
    return error_B / ((1 - t_B).clamp(min=floor) * noise).square()
