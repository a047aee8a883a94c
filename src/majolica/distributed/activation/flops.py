"""Floating-point operations of one operator, attention on CPU included."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils import flop_counter
from torch.utils._pytree import tree_leaves

_aten = torch.ops.aten


def _attention(query: Tensor, key: Tensor, value: Tensor, *args: Any, out_val: Any = None, **kwargs: Any) -> int:
    return int(flop_counter.sdpa_flop_count(query.shape, key.shape, value.shape))  # type: ignore[no-untyped-call]


def _attention_backward(
    upstream: Tensor, query: Tensor, key: Tensor, value: Tensor, *args: Any, out_val: Any = None, **kwargs: Any
) -> int:
    shapes = (upstream.shape, query.shape, key.shape, value.shape)
    return int(flop_counter.sdpa_backward_flop_count(*shapes))  # type: ignore[no-untyped-call]


CPU_ATTENTION = {
    _aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    _aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}
"""What torch's FlopCounterMode has no formula for, and counts as nothing."""

FORMULAS = {**flop_counter.flop_registry, **CPU_ATTENTION}


def flops(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> int:
    """Two per multiply-add of products, convolutions and attention; one per element written by anything else."""
    formula = FORMULAS.get(operator._overloadpacket)
    if formula is not None:
        return int(formula(*args, **kwargs, out_val=out))
    if operator.is_view:
        return 0
    return sum(x.numel() for x in tree_leaves(out) if isinstance(x, Tensor))
