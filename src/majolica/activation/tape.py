"""Counting live bytes and FLOPs of a step, block by block, as torch dispatches its operators."""

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
from majolica.activation.offload import is_offloading
from majolica.activation.workspace import workspace

Phase = Literal["forward", "backward"]


@dataclass
class Span:
    """A part of the step: the bytes live at its beginning, their peak, and its FLOPs."""

    entry: int
    peak: int
    shared: int
    """The peak of tensors that several blocks get as arguments; `entry` and `peak` exclude them."""
    flops: int = 0


@dataclass
class _Storage:
    reference: weakref.ref[Any]
    size: int
    shared: bool = False


class Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of each storage created under it until the storage is freed.

    Tensors may be real or fake. `enter` and `leave` divide the forward pass into the spans 0 .. 2n;
    the odd ones are the n calls of blocks. An operator of the backward pass belongs to the span
    that created its autograd node, which the node's sequence number tells. Recomputation belongs to
    the node that causes it. The peaks include the temporary memory of operators as far as
    `workspace` can compute it.
    """

    def __init__(self, known: Iterable[Tensor]) -> None:
        """`known` are the tensors that exist already; they are not counted."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.shared = self.peak = 0
        self.storages: dict[int, _Storage] = {}
        for x in known:
            self._track(x, 0)
        self.marks: list[int] = []
        self.spans: dict[tuple[Phase, int], Span] = {}
        self.phase: Phase = "forward"
        self.live_between_passes = 0
        """Live bytes at the end of the forward pass."""
        self._begin_span(0)

    def enter(self, shared: Iterable[Tensor] = ()) -> None:
        """Begin the span of a block's call; `shared` are arguments that other blocks get too."""
        for x in shared:
            storage = self.storages[x.untyped_storage()._cdata]
            if not storage.shared:
                storage.shared = True
                self.live -= storage.size
                self.shared += storage.size
        self.marks.append(torch._C._autograd._get_sequence_nr())
        self._begin_span(len(self.marks))

    def leave(self) -> None:
        """Begin the span after a block's call.

        Its peak is measured from its first operator on: until then the caller may hold the block's
        input.
        """
        self.marks.append(torch._C._autograd._get_sequence_nr())
        self._begin_span(len(self.marks))
        self.span.peak = 0

    def begin_backward(self) -> None:
        """Begin the backward pass."""
        self.phase, self.live_between_passes = "backward", self.live
        self._begin_span(len(self.marks))

    def _begin_span(self, index: int) -> None:
        self.span = self.spans.setdefault((self.phase, index), Span(self.live, self.live, self.shared))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.phase == "backward":
            node = torch._C._current_autograd_node()
            # Nodes that accumulate gradients all have the largest possible number. They belong to
            # the current span.
            if node is not None and (number := node._sequence_nr()) < 2**62:
                self._begin_span(bisect_right(self.marks, number))
        out = func(*args, **kwargs)
        if not is_offloading():
            first = out[0] if isinstance(out, tuple) else out
            for x in tree_leaves(out):
                if isinstance(x, Tensor):
                    self._track(x, _storage_bytes(func, x, x is first))
            extra = workspace(func, args)
            self.peak = max(self.peak, self.live + self.shared + extra)
            self.span.peak = max(self.span.peak, self.live + extra)
            self.span.shared = max(self.span.shared, self.shared)
            self.span.flops += flops(func, args, kwargs, out)
        return out

    def _track(self, x: Tensor, size: int) -> None:
        storage = x.untyped_storage()
        key = storage._cdata
        if key in self.storages:
            return

        def forget(_: object) -> None:
            storage = self.storages.pop(key)
            if storage.shared:
                self.shared -= storage.size
            else:
                self.live -= storage.size

        self.storages[key] = _Storage(weakref.ref(storage, forget), size)
        self.live += size


def _storage_bytes(operator: Any, x: Tensor, first: bool) -> int:
    size = x.untyped_storage().nbytes()
    if operator is torch.ops.aten.native_layer_norm.default and isinstance(x, FakeTensor) and not first:
        # Real kernels return mean and deviation in float32, except on a CPU without a gain. Fake
        # tensors give them the dtype of the input.
        return max(size, 4 * x.numel())
    return size
