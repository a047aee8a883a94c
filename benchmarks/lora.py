"""LoRA as a dial, with which `benchmarks.extend` compares adapters.

All linear layers of synthesis get changes of low rank (arXiv 2106.09685), whose strength is the value that is asked
for (as in Concept Sliders, arXiv 2311.12092): from -1 to 1 over the training pictures, and for a circular property the
cosine and the sine of its angle, with changes of their own. It stands where an adapter stands, and learns from the same
loss.

Shapes: B rows, S strengths, R ranks, N tokens of width I, and O of what a layer makes of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from majolica.models.majolica import Majolica
from majolica.properties.quantiles import to_quantile
from majolica.properties.registry import find_property
from majolica.sampling.pipeline import Pipeline
from majolica.train.extend import ExtendRequest, Lesson
from majolica.train.lesson import LessonPlan, learn, open_frozen, open_loader


class LoraDial(nn.Module):
    """Changes of the linear layers of one model's synthesis, by the value of one property."""

    def __init__(self, name: str, model: Majolica, quantiles_K: Tensor, rank: int) -> None:
        super().__init__()
        self.name, self.names, self.quantiles = name, (), quantiles_K
        self.circular = find_property(name).circular
        self.strength_BS: Tensor | None = None
        layers = [part for part in model.synthesis.modules() if isinstance(part, nn.Linear)]
        strengths = 2 if self.circular else 1
        self.down = nn.ParameterList(
            torch.randn(strengths, rank, each.in_features) / each.in_features**0.5 for each in layers
        )
        self.up = nn.ParameterList(torch.zeros(strengths, each.out_features, rank) for each in layers)
        for place, layer in enumerate(layers):
            layer.register_forward_hook(partial(self._add, place))

    def forward(self, values_B: Tensor, present_B: Tensor) -> Silence:
        """Take the values of the rows as strengths; what synthesis computes next is changed by them."""
        known_B1 = values_B.masked_fill(~present_B, 0.0)[:, None]  # a grey picture has no hue
        place_B = to_quantile(known_B1, self.quantiles[None])[:, 0].clamp(0, 1)
        angle_B = 2 * math.pi * place_B
        parts = (angle_B.cos(), angle_B.sin()) if self.circular else (2 * place_B - 1,)
        self.strength_BS = torch.stack(parts, 1) * present_B[:, None]
        return Silence()

    def _add(self, place: int, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if self.strength_BS is None or len(output) != len(self.strength_BS):
            return output
        x_BNI = inputs[0].flatten(1, -2) if inputs[0].ndim > 2 else inputs[0][:, None]
        low_BSNR = torch.einsum("bni,sri->bsnr", x_BNI, self.down[place].to(x_BNI.dtype))
        low_BSNR = low_BSNR * self.strength_BS[:, :, None, None].to(low_BSNR.dtype)
        change_BNO = torch.einsum("bsnr,sor->bno", low_BSNR, self.up[place].to(x_BNI.dtype))
        return output + change_BNO.view(output.shape).to(output.dtype)


class Silence:
    """A `Setting` that says nothing, because all is said by the layers."""

    words = None

    def modulate(self, block: int, modulation_B6D: Tensor) -> Tensor:
        """The modulation as it is."""
        return modulation_B6D


def teach_lora(run: Path, name: str, plan: LessonPlan, say: Callable[[str], None], rank: int = 8) -> Pipeline:
    """The run with a LoRA that was taught the property, loaded and ready to paint."""
    pipeline, config = open_frozen(run, "")
    lesson = Lesson(pipeline, config, ExtendRequest(run, name, plan=plan))
    dial = LoraDial(name, pipeline.model, lesson.adapter.quantiles, rank).to(pipeline.device)
    pipeline.model.adapters = [dial]  # type: ignore[list-item]
    loader = open_loader(config, pipeline.model, plan, (name,))
    effort = learn(dial, pipeline.model, lesson.loss, loader, plan, lambda done, total: None)
    say(f"LoRA for {name}: {effort}")
    return pipeline
