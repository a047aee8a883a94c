"""Noise that is added before each step of a solver but the last, so that it forgets the errors of earlier steps.

It is the stochastic sampler of Karras et al. ("Elucidating the Design Space of Diffusion-Based Generative Models",
NeurIPS 2022, algorithm 2). The ratio of noise to picture at flow time t is (1 - t) / t. It grows by a factor of 1 + g,
where g is the churn over the number of steps, but at most sqrt(2) - 1.

Shapes: B pictures, H and W pixels of the base resolution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from majolica.sampling.solvers import Churn, keep_noise

MOST = math.sqrt(2) - 1
"""The largest growth of a step, as in the paper: the noise that is added is never more than what is there."""
STREAM = 0xC4A2
"""Makes the noise that is added differ from that which painting starts from."""


def make_churn(amount: float, steps: int, seeds: Sequence[int], device: torch.device) -> Churn:
    """The churn of one batch of pictures, which adds noise that depends on the seed of each picture alone.

    `amount` is the growth of all `steps` together (S_churn in the paper); with 0 no noise is drawn.
    """
    growth = min(amount / steps, MOST)
    if growth == 0:
        return keep_noise
    streams = [np.random.Generator(np.random.Philox(np.random.SeedSequence([STREAM, seed]))) for seed in seeds]

    def churn(z_B3HW: Tensor, t: float) -> tuple[Tensor, float]:
        if t == 0:  # there is nothing but noise
            return z_B3HW, t
        earlier = t / (t + (1 - t) * (1 + growth))
        fresh = [torch.from_numpy(each.standard_normal(z_B3HW.shape[1:], dtype=np.float32)) for each in streams]
        shrink = earlier / t
        added = math.sqrt((1 - earlier) ** 2 - (shrink * (1 - t)) ** 2)
        return shrink * z_B3HW + added * torch.stack(fresh).to(device), earlier

    return churn
