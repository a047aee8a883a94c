"""The configuration of the losses: noise, weights, and what is hidden from the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from majolica.config.bounds import ANY, SHARE, above, at_least, at_most


@dataclass(frozen=True)
class LossConfig:
    """What is learned in one pass: flow matching on noisy rows, and the sigmoid contrastive loss on clean rows."""

    t_mean: Annotated[float, ANY] = -0.8
    """Mean of logit(t) (JiT, arXiv 2511.13720)."""
    t_std: Annotated[float, above(0)] = 0.8
    t_early: Annotated[float, SHARE] = 0.15
    """Share of the noisy rows whose time is uniform between 0 and the time below which a twentieth of the others lie.
    The colours of a picture are decided at such times, and other rows hardly ever have them (docs/adr/074)."""
    t_floor: Annotated[float, above(0), at_most(1)] = 0.05
    """The least value of 1 - t that the velocity loss divides by."""
    clean_share: Annotated[float, SHARE] = 0.3
    """Share of rows that are clean (t = 1) at the start of training."""
    clean_share_end: Annotated[float, SHARE] = 0.3
    """The same share at the end of training; in between it changes linearly."""
    recolour: Annotated[float, SHARE] = 0.0
    """Share of the clean rows that turn grey or get another hue, so that things are recognised by their shape."""
    recolour_from: Annotated[float, SHARE] = 0.0
    """Share of the training that is done when this begins."""
    flow: Annotated[float, at_least(0)] = 1.0
    """Weight of the flow-matching loss; with 0 the model does not learn to paint."""
    contrastive: float = 0.1
    """Weight of the sigmoid contrastive loss; with 0 the model does not learn to name what it sees."""
    consistency: Annotated[float, at_least(0)] = 0.0
    """Weight of the loss on what predicted pictures measure, where properties were asked for; 0 leaves it out."""
    consistency_from: Annotated[float, SHARE] = 0.5
    """Flow time from which it counts."""
    fine_share: Annotated[float, SHARE] = 0.0
    """Share of noisy rows that are painted larger, at the scales `fine_scales`; there the decoder works on a random
    tile."""
    fine_scales: tuple[int, ...] = (2,)
    """How many times larger than the base picture; each scale has its part of the share."""
    drop_text: Annotated[float, SHARE] = 0.1
    """Probability that a noisy row is trained without its caption, which guidance needs."""
    drop_property: Annotated[float, SHARE] = 0.5
    """Probability that each property is dropped, independently."""
    drop_properties: Annotated[float, SHARE] = 0.1
    """Probability that all properties are dropped together, so that a row shows its caption alone. Pictures that are
    painted without any property want such rows (docs/adr/073)."""
    property_noise: Annotated[float, SHARE] = 0.0
    """Standard deviation of noise on the places of values among the quantiles that the model is told, as a share of all
    pictures, so that it learns that measures are not exact; 0 leaves it out."""
    drop_all: Annotated[float, SHARE] = 0.1
    """Probability that the caption and every property are dropped together."""
