"""Carrying out a plan: every call of a block treats its activations as chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from majolica.activation.choices import Choice, run_block, shared_inputs
from majolica.models.parts import BlockCall


class CallObserver(Protocol):
    """What `apply_choices` tells when the call of a block begins and ends."""

    def enter(self, shared: Iterable[Tensor]) -> None:
        """A call begins; `shared` are the tensors that other blocks get too."""

    def leave(self) -> None:
        """The call has ended."""


def apply_choices(
    model: nn.Module, calls: Sequence[BlockCall], choices: Sequence[Choice], observer: CallObserver | None = None
) -> Callable[[], None]:
    """Replace the forward methods of `model`'s blocks by ones that treat activations as chosen.

    `calls` are the calls of blocks in one forward pass, in order. Further calls of a block keep
    everything, and so does every call without gradients. Returns a function that puts the old
    forward methods back.
    """
    calls_made: Counter[nn.Module] = Counter()
    by_block: dict[nn.Module, list[Choice]] = {}
    for call, choice in zip(calls, choices, strict=True):
        by_block.setdefault(call.block, []).append(choice)
    for block, block_choices in by_block.items():
        block.forward = _build_forward(block, block_choices, calls_made, observer)
    hook = model.register_forward_pre_hook(lambda module, args: calls_made.clear())

    def undo() -> None:
        hook.remove()
        for block in by_block:
            del block.forward  # uncovers the method of the class

    return undo


def _build_forward(
    block: nn.Module, choices: list[Choice], calls_made: Counter[nn.Module], observer: CallObserver | None
) -> Callable[..., Any]:
    forward = block.forward

    def forward_as_chosen(*args: Any) -> Any:
        if not torch.is_grad_enabled() or calls_made[block] >= len(choices):
            return forward(*args)
        choice = choices[calls_made[block]]
        calls_made[block] += 1
        if observer:
            observer.enter(shared_inputs(args))
        # Autocast's cache holds a copy of every weight until the forward pass ends, also of blocks
        # that recompute, so it is off here. A block that is called twice keeps the cache, because
        # its calls share the copies: the sum of their gradients is rounded in the copies'
        # precision, and to be bit-equal it must be so here too. The operators of its second call
        # then depend on those of its first. Selective checkpointing does not support that, so under
        # those choices such a block keeps everything.
        caching, repeated = torch.is_autocast_cache_enabled(), len(choices) > 1
        if repeated and torch.is_autocast_enabled(args[0].device.type) and choice in ("keep_matmul", "keep_attention"):
            choice = "keep"
        torch.set_autocast_cache_enabled(caching and repeated)
        try:
            return run_block(choice, forward, *args)
        finally:
            torch.set_autocast_cache_enabled(caching)
            if observer:
                observer.leave()

    return forward_as_chosen
