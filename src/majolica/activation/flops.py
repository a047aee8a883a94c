"""FLOPs of one operator, including attention on a CPU, which torch has no formula for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils import flop_counter
from torch.utils._pytree import tree_leaves

_aten = torch.ops.aten


def _attention(query: torch.Size, key: torch.Size, value: torch.Size, *args: Any, **kwargs: Any) -> int:
    return int(flop_counter.sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


def _attention_backward(
    upstream: torch.Size, query: torch.Size, key: torch.Size, value: torch.Size, *args: Any, **kwargs: Any
) -> int:
    return int(flop_counter.sdpa_backward_flop_count(upstream, query, key, value))  # type: ignore[no-untyped-call]


CPU_ATTENTION = {
    _aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    _aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}
"""For `custom_mapping` of torch's FlopCounterMode, which would count these operators as zero."""

FORMULAS = {
    **flop_counter.flop_registry,
    **{name: flop_counter.shape_wrapper(formula) for name, formula in CPU_ATTENTION.items()},  # type: ignore[no-untyped-call]
}


def flops(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> int:
    """Return the FLOPs of one call of `operator`.

    These are two per multiply-add of products, convolutions and attention. Any other operator
    counts as one per element of its output, and a view as zero.
    """
    formula = FORMULAS.get(operator._overloadpacket)
    if formula is not None:
        return int(formula(*args, **kwargs, out_val=out))
    if operator.is_view:
        return 0
    return sum(x.numel() for x in tree_leaves(out) if isinstance(x, Tensor))
