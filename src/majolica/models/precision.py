"""Which numbers a model computes with, in training and in use."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from majolica.models.layers import CrossAttention, SelfAttention

Precision = Literal["auto", "fp32", "bf16", "fp8"]
"""As `train.precision`; `majolica.train.fitting` settles what "auto" is before anything is computed."""


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """bfloat16 for products and attention, unless the run is fp32 throughout."""
    if precision == "auto":
        raise ValueError("precision auto has to be settled first: majolica.train.fitting")
    return torch.autocast(device.type, torch.bfloat16, enabled=precision != "fp32")


def has_bf16(device: torch.device) -> bool:
    """Whether `device` multiplies bfloat16 in hardware."""
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


def autocast_in_use(trained: Precision, device: torch.device) -> torch.autocast:
    """For a trained model in use: bfloat16 where it trained so and `device` multiplies it in hardware, else fp32.

    A device without such hardware computes bfloat16 too, but many times slower than fp32.
    """
    return autocast(trained if has_bf16(device) else "fp32", device)


def attend_by_products(model: nn.Module, device: torch.device) -> None:
    """On a CPU, let the attention of `model` take plain products where they are quicker than the fused kernel."""
    for layer in model.modules():
        if isinstance(layer, SelfAttention | CrossAttention):
            layer.by_products = device.type == "cpu"
