"""What a model keeps between calls serves painting and training alike."""

from __future__ import annotations

import torch

from majolica.models.conditions import Condition
from majolica.models.majolica import Majolica, Rows


def test_a_model_that_painted_first_still_trains(tiny: Majolica, asked: Condition) -> None:
    images, times = torch.rand(3, 3, 16, 16), torch.tensor([0.2, 0.5, 1.0])
    with torch.inference_mode():
        tiny.see(images)
    rows = Rows(images, times, asked, (), 2)
    tiny(rows).base_M3HW.square().mean().backward()
    assert tiny.to_window.weight.grad is not None and tiny.to_window.weight.grad.abs().sum() > 0


def test_no_tensor_that_a_model_keeps_is_of_inference_mode(tiny: Majolica, asked: Condition) -> None:
    images = torch.rand(3, 3, 16, 16)
    with torch.inference_mode():
        outputs = tiny(Rows(images, torch.rand(3), asked, (), 2))
    assert outputs.base_M3HW.is_inference()
    kept = [value for module in tiny.modules() for value in vars(module).values()]
    kept += [value for value in kept if isinstance(value, dict) for value in value.values()]
    tensors = [value for value in kept if isinstance(value, torch.Tensor)]
    assert tensors and not any(value.is_inference() for value in tensors)
