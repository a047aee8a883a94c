"""Classifier-free guidance, composed: text and properties are pushed apart from what they would be without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from majolica.models.conditions import Condition
from majolica.sampling.inputs import read_weight


@dataclass(frozen=True)
class Guidance:
    """Weights of v = v(none) + text (v(text) - v(none)) + properties (v(text, properties) - v(text)).

    They apply for t >= `start` (JiT guides in [0.1, 1]); before that the plain conditional prediction is used. Since v
    is affine in the predicted image at fixed z and t, composing predictions composes velocities.
    """

    text: float = 3.0
    properties: float = 1.5
    start: float = 0.1


def read_guidance(text: float, properties: float | None) -> Guidance:
    """Weights as callers give them; UserError for what is none.

    Text guidance of 1 turns all guidance off, that of properties too, unless theirs is given.
    """
    weight = read_weight(text, "guidance")
    if properties is None:
        return Guidance(weight, 1.0 if weight == 1 else Guidance.properties)
    return Guidance(weight, read_weight(properties, "property guidance"))


def guided(branch: Callable[[Condition], Tensor], asked: Condition, weights: Guidance, t: float) -> Tensor:
    """Predicted image under guidance; `branch` predicts for a condition and shares one perception pass."""
    full = branch(asked)
    dialled = bool(asked.has_value_BP.any())
    if t < weights.start or (weights.text == 1 and (weights.properties == 1 or not dialled)):
        return full
    nothing = torch.zeros_like(asked.has_value_BP)
    text = branch(replace(asked, has_value_BP=nothing)) if dialled else full
    out = text + weights.properties * (full - text) if dialled else text
    if weights.text == 1:
        return out
    free = branch(replace(asked, has_text_B=torch.zeros_like(asked.has_text_B), has_value_BP=nothing))
    return out + (weights.text - 1) * (text - free)
