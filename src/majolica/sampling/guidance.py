"""Classifier-free guidance, composed: text and properties are pushed apart from what they would be without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from majolica.models.conditions import Condition


@dataclass(frozen=True)
class Guidance:
    """Weights of v = v(none) + text (v(text) - v(none)) + properties (v(text, properties) - v(text)).

    They apply for t >= `start` (JiT guides in [0.1, 1]); before that the plain conditional prediction is used. Since v
    is affine in the predicted image at fixed z and t, composing predictions composes velocities.
    """

    text: float = 3.0
    properties: float = 1.5
    start: float = 0.1


def guided(branch: Callable[[Condition], Tensor], asked: Condition, weights: Guidance, t: float) -> Tensor:
    """Predicted image under guidance; `branch` predicts for a condition and shares one perception pass."""
    full = branch(asked)
    if t < weights.start:
        return full
    nothing = torch.zeros_like(asked.has_value_BP)
    none = replace(asked, has_text_B=torch.zeros_like(asked.has_text_B), has_value_BP=nothing)
    free = branch(none)
    if not asked.has_value_BP.any():
        return free + weights.text * (full - free)
    text = branch(replace(asked, has_value_BP=nothing))
    return free + weights.text * (text - free) + weights.properties * (full - text)
