"""What can be done with the activations of one call of a block, and how torch is told to do it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from majolica.activation.offload import Offload

Choice = Literal["keep", "recompute", "keep_attention", "keep_matmul", "offload"]
CHOICES: tuple[Choice, ...] = ("keep", "recompute", "keep_attention", "keep_matmul", "offload")
"""Keep all, keep none, keep the results of attention, keep those of attention and matrix products, move to the host.

Of choices that come to the same for a block, a plan names the first.
"""

_aten = torch.ops.aten
ATTENTION = frozenset(
    {
        _aten._scaled_dot_product_flash_attention_for_cpu.default,
        _aten._scaled_dot_product_flash_attention.default,
        _aten._scaled_dot_product_efficient_attention.default,
        _aten._scaled_dot_product_cudnn_attention.default,
    }
)
MATMUL = frozenset({_aten.mm.default, _aten.addmm.default, _aten.bmm.default, _aten.baddbmm.default})


def run(choice: Choice, forward: Callable[..., Any], *args: Any) -> Any:
    """`forward(*args)`, whose activations are treated as chosen. Values and gradients are the same to the last bit."""
    if choice == "keep":
        return forward(*args)
    if choice == "offload":
        moved = Offload(shared_inputs(args))
        with saved_tensors_hooks(moved.pack, moved.unpack):
            return forward(*args)
    if choice == "recompute":
        return checkpoint(forward, *args, use_reentrant=False)
    kept = ATTENTION if choice == "keep_attention" else ATTENTION | MATMUL
    contexts = partial(create_selective_checkpoint_contexts, partial(_policy, kept))
    return checkpoint(forward, *args, use_reentrant=False, context_fn=contexts)


def shared_inputs(args: tuple[Any, ...]) -> list[Tensor]:
    """Tensors among a block's arguments that other blocks get too: all but the first."""
    return [x for arg in args[1:] for x in (arg if isinstance(arg, tuple) else (arg,)) if isinstance(x, Tensor)]


def _policy(kept: frozenset[Any], context: Any, operator: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
    # An operator that draws random numbers has to run again, so that those drawn after it come out the same.
    keep = operator in kept and not _dropout(operator, args, kwargs)
    return CheckpointPolicy.MUST_SAVE if keep else CheckpointPolicy.PREFER_RECOMPUTE


def _dropout(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    named = dict(zip((argument.name for argument in operator._schema.arguments), args, strict=False)) | kwargs
    return float(named.get("dropout_p", 0.0)) > 0
