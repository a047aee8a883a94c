"""Which flow times training visits."""

from __future__ import annotations

import math
from statistics import NormalDist

from majolica.config.loss import LossConfig

EARLY = 0.05
"""The share of the logit-normal times below which all times are early."""


def early_until(loss: LossConfig) -> float:
    """Return the flow time up to which the share `loss.t_early` of the noisy rows is uniform."""
    return _logistic(NormalDist(loss.t_mean, loss.t_std).inv_cdf(EARLY))


def time_quantile(share: float, loss: LossConfig) -> float:
    """Return the flow time below which a share of the noisy rows lies: those of `early_until`, and of the others, whose
    logit(t) ~ N(t_mean, t_std^2)."""
    normal, until = NormalDist(loss.t_mean, loss.t_std), early_until(loss)
    low, high = 0.0, 1.0
    for _ in range(50):  # bisection, because the sum of both distributions has no inverse in closed form
        middle = (low + high) / 2
        below = loss.t_early * min(1.0, middle / until) + (1 - loss.t_early) * normal.cdf(_logit(middle))
        low, high = (middle, high) if below < share else (low, middle)
    return (low + high) / 2


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _logit(t: float) -> float:
    return math.log(t / (1 - t))
