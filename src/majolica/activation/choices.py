"""The ways to treat the activations of one call of a block, and how each is done in torch."""

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
"""Keep all, keep none, keep the results of attention, keep those of attention and of matrix
products, keep all on the host. If several have the same effect for a block, a plan names the first.
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


def run_block(choice: Choice, forward: Callable[..., Any], *args: Any) -> Any:
    """Return `forward(*args)`, with its activations treated as chosen.

    Values and gradients are bit-equal under all choices.
    """
    if choice == "keep":
        return forward(*args)
    if choice == "offload":
        offload = Offload(shared_inputs(args))
        with saved_tensors_hooks(offload.pack, offload.unpack):
            return forward(*args)
    if choice == "recompute":
        return checkpoint(forward, *args, use_reentrant=False)
    saved = ATTENTION if choice == "keep_attention" else ATTENTION | MATMUL
    contexts = partial(create_selective_checkpoint_contexts, partial(_policy, saved))
    return checkpoint(forward, *args, use_reentrant=False, context_fn=contexts)


def shared_inputs(args: tuple[Any, ...]) -> list[Tensor]:
    """Return the tensors in a block's arguments after the first: other blocks get them too."""
    return [x for arg in args[1:] for x in (arg if isinstance(arg, tuple) else (arg,)) if isinstance(x, Tensor)]


def _policy(saved: frozenset[Any], context: Any, operator: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
    # Recomputation replays the random stream. If it skipped an operator that draws from the stream,
    # all later draws would differ, so such an operator runs again.
    save = operator in saved and not _has_dropout(operator, args, kwargs)
    return CheckpointPolicy.MUST_SAVE if save else CheckpointPolicy.PREFER_RECOMPUTE


def _has_dropout(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    by_name = dict(zip((argument.name for argument in operator._schema.arguments), args, strict=False)) | kwargs
    return float(by_name.get("dropout_p", 0.0)) > 0
