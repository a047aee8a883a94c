"""Live bytes and FLOPs of a step, block by block, from the operators that torch dispatches."""

from __future__ import annotations

import weakref
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from majolica.activation.flops import flops
from majolica.activation.offload import moving
from majolica.activation.workspace import workspace

Phase = Literal["forward", "backward"]


@dataclass
class Span:
    """A stretch of the step: what was live when it began, the most while it lasted, and what it computed."""

    entry: int
    peak: int
    shared: int
    """The most that was live of what several blocks were given; `entry` and `peak` are without it."""
    flops: int = 0


@dataclass
class _Storage:
    reference: weakref.ref[Any]
    size: int
    shared: bool = False


class Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of every storage made under it for as long as the storage lives, on real or fake tensors.

    The forward pass is cut at `enter` and `leave` into spans 0 .. 2n: odd ones are the n calls of blocks. Operators of
    the backward pass belong to the span that made their node, which the node's sequence number tells; what is
    recomputed in a node counts there too. Of the memory that an operator takes and gives back within itself, what
    `workspace` knows is in the peaks.
    """

    def __init__(self, known: Iterable[Tensor]) -> None:
        """`known` tensors were there before: they count nothing."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.shared = self.peak = 0
        self.storages: dict[int, _Storage] = {}
        for x in known:
            self._meet(x, 0)
        self.marks: list[int] = []
        self.spans: dict[tuple[Phase, int], Span] = {}
        self.phase: Phase = "forward"
        self.turned = 0
        """Live bytes between the passes."""
        self._begin(0)

    def enter(self, shared: Iterable[Tensor] = ()) -> None:
        """A block's forward pass begins; `shared` are its arguments that are not its own."""
        for x in shared:
            storage = self.storages[x.untyped_storage()._cdata]
            if not storage.shared:
                storage.shared = True
                self.live -= storage.size
                self.shared += storage.size
        self.marks.append(torch._C._autograd._get_sequence_nr())
        self._begin(len(self.marks))

    def leave(self) -> None:
        """It has ended. The caller may still hold the block's input, until its next operator."""
        self.marks.append(torch._C._autograd._get_sequence_nr())
        self._begin(len(self.marks))
        self.span.peak = 0

    def turn(self) -> None:
        """The backward pass begins."""
        self.phase, self.turned = "backward", self.live
        self._begin(len(self.marks))

    def _begin(self, index: int) -> None:
        self.span = self.spans.setdefault((self.phase, index), Span(self.live, self.live, self.shared))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.phase == "backward":
            node = torch._C._current_autograd_node()
            # Nodes that accumulate gradients have the highest number there is; they belong to whom they follow.
            if node is not None and (number := node._sequence_nr()) < 2**62:
                self._begin(bisect_right(self.marks, number))
        out = func(*args, **kwargs)
        if not moving():
            first = out[0] if isinstance(out, tuple) else out
            for x in tree_leaves(out):
                if isinstance(x, Tensor):
                    self._meet(x, _size(func, x, x is first))
            extra = workspace(func, args)
            self.peak = max(self.peak, self.live + self.shared + extra)
            self.span.peak = max(self.span.peak, self.live + extra)
            self.span.shared = max(self.span.shared, self.shared)
            self.span.flops += flops(func, args, kwargs, out)
        return out

    def _meet(self, x: Tensor, size: int) -> None:
        storage = x.untyped_storage()
        key = storage._cdata
        if key in self.storages:
            return

        def gone(_: object) -> None:
            storage = self.storages.pop(key)
            if storage.shared:
                self.shared -= storage.size
            else:
                self.live -= storage.size

        self.storages[key] = _Storage(weakref.ref(storage, gone), size)
        self.live += size


def _size(operator: Any, x: Tensor, first: bool) -> int:
    size = x.untyped_storage().nbytes()
    if operator is torch.ops.aten.native_layer_norm.default and isinstance(x, FakeTensor) and not first:
        # Mean and deviation are float32, except on CPU without a gain; fake tensors say they are as the input is.
        return max(size, 4 * x.numel())
    return size
