"""Flow matching in pixels: pool-consistent noising, x-prediction, velocity loss."""

from __future__ import annotations

import torch
from torch import Tensor


def flow_time(normal_B: Tensor, mean: float, std: float) -> Tensor:
    """Flow times with logit(t) ~ N(mean, std^2) (JiT, arXiv 2511.13720, section 4), from unit Gaussians."""
    return torch.sigmoid(mean + std * normal_B)


def add_noise(clean_BCHW: Tensor, t_B: Tensor, scale: int, noise_BCHW: Tensor) -> Tensor:
    """z_t = t x + (1 - t) k e: average-pooled by k it is distributed as the same picture's z_t at the base resolution.

    Pooling k^2 independent unit Gaussians divides their standard deviation by k, which the factor k undoes.
    """
    t = t_B[:, None, None, None]
    return t * clean_BCHW + (1 - t) * scale * noise_BCHW


TIME_BINS = 5
"""Equal parts of the flow time, for the log."""


def by_time(loss_M: Tensor, t_M: Tensor) -> Tensor:
    """Sum of the losses and number of rows in each part of the flow time: `(TIME_BINS, 2)`."""
    bin_M = (t_M * TIME_BINS).long().clamp(max=TIME_BINS - 1)
    member_KM = (bin_M == torch.arange(TIME_BINS, device=t_M.device)[:, None]).to(loss_M.dtype)
    return member_KM @ torch.stack((loss_M.detach(), torch.ones_like(loss_M)), 1)


def velocity_loss(predicted_BCHW: Tensor, clean_BCHW: Tensor, t_B: Tensor, scale: int, floor: float) -> Tensor:
    """Per-row mean of ||(x_hat - x) / max(1 - t, floor)||^2 / k^2; `(B,)`."""
    error_B = (predicted_BCHW.float() - clean_BCHW).square().mean((1, 2, 3))
    return error_B / ((1 - t_B).clamp(min=floor) * scale).square()
