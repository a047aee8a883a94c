"""How a plan is carried out: every call of a block treats its activations as chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from majolica.activation.choices import Choice, run, shared_inputs
from majolica.models.parts import BlockCall


class CallObserver(Protocol):
    """Is told when a call begins and ends."""

    def enter(self, shared: Iterable[Tensor]) -> None: ...

    def leave(self) -> None: ...


def apply(
    model: nn.Module, calls: Sequence[BlockCall], choices: Sequence[Choice], watch: CallObserver | None = None
) -> Callable[[], None]:
    """Make every call of `calls` treat its activations as chosen, where gradients are wanted; returns how to undo it.

    `calls` are those of one forward pass of `model`, in order; further calls of a block keep all.
    """
    turn: Counter[nn.Module] = Counter()
    chosen: dict[nn.Module, list[Choice]] = {}
    for call, choice in zip(calls, choices, strict=True):
        chosen.setdefault(call.block, []).append(choice)
    for block, own in chosen.items():
        block.forward = _plan_forward(block, own, turn, watch)
    hook = model.register_forward_pre_hook(lambda module, args: turn.clear())

    def undo() -> None:
        hook.remove()
        for block in chosen:
            del block.forward  # the class has its own

    return undo


def _plan_forward(
    block: nn.Module, choices: list[Choice], turn: Counter[nn.Module], watch: CallObserver | None
) -> Callable[..., Any]:
    forward = block.forward

    def planned(*args: Any) -> Any:
        if not torch.is_grad_enabled() or turn[block] >= len(choices):
            return forward(*args)
        choice = choices[turn[block]]
        turn[block] += 1
        if watch:
            watch.enter(shared_inputs(args))
        # Autocast would cache its copy of every weight until the end of the forward pass, kept or not. A block that is
        # called twice needs the cache, though: its calls share the copies, and with them the sum of two gradients.
        # There the operators of a call depend on earlier ones, which selective checkpointing does not allow.
        caching, twice = torch.is_autocast_cache_enabled(), len(choices) > 1
        if twice and torch.is_autocast_enabled(args[0].device.type) and choice in ("keep_matmul", "keep_attention"):
            choice = "keep"
        torch.set_autocast_cache_enabled(caching and twice)
        try:
            return run(choice, forward, *args)
        finally:
            torch.set_autocast_cache_enabled(caching)
            if watch:
                watch.leave()

    return planned
