"""The precision in which a model computes, in training and in use."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from majolica.models.layers import CrossAttention, SelfAttention

Precision = Literal["auto", "fp32", "bf16", "fp8"]
"""The values of `train.precision`; `majolica.train.fitting` resolves "auto" before any step."""


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Context that computes products and attention in bfloat16, unless `precision` is "fp32".

    Raises ValueError for "auto".
    """
    if precision == "auto":
        raise ValueError("precision auto has to be settled first: majolica.train.fitting")
    return torch.autocast(device.type, torch.bfloat16, enabled=precision != "fp32")


def has_bf16(device: torch.device) -> bool:
    """Whether `device` multiplies bfloat16 in hardware."""
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


def autocast_in_use(trained: Precision, device: torch.device) -> torch.autocast:
    """Context for the use of a model that was trained in the precision `trained`.

    It is that precision if `device` multiplies bfloat16 in hardware, and otherwise fp32: a device
    without such hardware computes bfloat16 many times slower.
    """
    return autocast(trained if has_bf16(device) else "fp32", device)


def set_attention_by_products(model: nn.Module, device: torch.device) -> None:
    """Set, in place, whether the attention of `model` may take plain products: on a CPU it may.

    See `layers.attend` for where they are quicker than the fused kernel.
    """
    for layer in model.modules():
        if isinstance(layer, SelfAttention | CrossAttention):
            layer.by_products = device.type == "cpu"
