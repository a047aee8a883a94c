"""Classifier-free guidance for two conditions, the text and the properties.

The prediction is pushed away from the one that is made without a condition (Ho and Salimans,
"Classifier-free diffusion guidance", 2022), first for the text and then for the properties (Brooks,
Holynski and Efros, "InstructPix2Pix", CVPR 2023, has the same formula for text and picture).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from majolica.models.conditions import Condition
from majolica.sampling.inputs import read_weight


@dataclass(frozen=True)
class Guidance:
    """The weights of text and properties in classifier-free guidance.

    They are `text` and `properties` in v = v(none) + text (v(text) - v(none)) + properties (v(text,
    properties) - v(text)).

    They apply for t >= `start`, as JiT guides in [0.1, 1]; before that the plain conditional
    prediction is used. The formula is applied to predicted images. That comes to the same, because
    the velocity v is an affine function of the predicted image where z and t are given, and the
    coefficients of the three predictions sum to 1.
    """

    text: float = 2.0
    properties: float = 1.5
    start: float = 0.1


def read_guidance(text: float, properties: float | None) -> Guidance:
    """The weights from the numbers that a caller gives; UserError for what cannot be a weight.

    Text guidance of 1 turns all guidance off, including that of properties, unless its weight is
    given too.
    """
    weight = read_weight(text, "guidance")
    if properties is None:
        return Guidance(weight, 1.0 if weight == 1 else Guidance.properties)
    return Guidance(weight, read_weight(properties, "property guidance"))


def guide(branch: Callable[[Condition], Tensor], asked: Condition, weights: Guidance, t: float) -> Tensor:
    """The predicted image under guidance, `B3HW`, at flow time `t`.

    `branch` predicts the image for a condition. It is called for one, two or three conditions, first
    for all that is asked; they share one pass through the perception trunk.
    """
    full = branch(asked)
    has_properties = bool(asked.has_value_BP.any())
    if t < weights.start or (weights.text == 1 and (weights.properties == 1 or not has_properties)):
        return full
    nothing = torch.zeros_like(asked.has_value_BP)
    text = branch(replace(asked, has_value_BP=nothing)) if has_properties else full
    out = text + weights.properties * (full - text) if has_properties else text
    if weights.text == 1:
        return out
    free = branch(replace(asked, has_text_B=torch.zeros_like(asked.has_text_B), has_value_BP=nothing))
    return out + (weights.text - 1) * (text - free)
