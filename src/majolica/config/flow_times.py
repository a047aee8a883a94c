"""Which flow times training visits."""

from __future__ import annotations

import math
from statistics import NormalDist

from majolica.config.loss import LossConfig


def time_quantile(share: float, loss: LossConfig) -> float:
    """Return the flow time below which a share of the noisy rows lies, as logit(t) ~ N(t_mean, t_std^2)."""
    return 1 / (1 + math.exp(-NormalDist(loss.t_mean, loss.t_std).inv_cdf(share)))
