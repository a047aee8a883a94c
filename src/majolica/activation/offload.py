"""Saved tensors that wait on the host: pinned memory beside a GPU; on a CPU a plain copy, there to be tested."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef


class _Moving(threading.local):
    now = False


_moving = _Moving()


def moving() -> bool:
    """Whether the tensor that is being made is a copy on the host: it takes no memory of the device."""
    return _moving.now


@contextmanager
def _to_host() -> Iterator[None]:
    _moving.now = True
    try:
        yield
    finally:
        _moving.now = False


@dataclass
class _HostCopy:
    """A whole storage on the host; back on the device for as long as somebody looks at it."""

    host_S: Tensor
    device: torch.device
    back: weakref.ref[Tensor] | None = None

    def fetch(self) -> Tensor:
        flat_S = self.back() if self.back else None
        if flat_S is None:
            flat_S = torch.empty_like(self.host_S, device=self.device, pin_memory=False)
            flat_S.copy_(self.host_S, non_blocking=True)
            self.back = weakref.ref(flat_S)
        return flat_S


@dataclass(frozen=True)
class _View:
    """How a saved tensor lies in its storage, and what keeps the storage's copy on the device while it is looked at."""

    storage: _HostCopy
    size: torch.Size
    stride: tuple[int, ...]
    offset: int | torch.SymInt


def _weak(x: Tensor) -> StorageWeakRef:
    """Names a storage for as long as this object lives, without keeping its memory."""
    return StorageWeakRef(x.untyped_storage())  # type: ignore[no-untyped-call]


class Offload:
    """Hooks for `torch.autograd.graph.saved_tensors_hooks` around one call of a block.

    Whole storages move, each once however many views of it are saved, and views come back with their strides, so the
    kernels of the backward pass see what they would have seen. Parameters stay, and so does what `stay` names: where
    other blocks hold a tensor too, moving it would free nothing.
    """

    def __init__(self, stay: Iterable[Tensor]) -> None:
        self.stay = {_weak(x) for x in stay}
        self.moved: dict[tuple[StorageWeakRef, torch.dtype], _HostCopy] = {}

    def pack(self, x: Tensor) -> Tensor | _View:
        """What autograd keeps in place of `x`."""
        key = _weak(x)
        root = x if x._base is None else x._base
        if isinstance(root, torch.nn.Parameter) or key in self.stay or x.is_conj() or x.is_neg() or not x.numel():
            return x
        if (key, x.dtype) not in self.moved:
            count = x.untyped_storage().nbytes() // x.element_size()
            with torch.no_grad(), _to_host():
                flat_S = x.detach().as_strided((count,), (1,), 0)
                host_S = torch.empty_like(flat_S, device="cpu", pin_memory=x.is_cuda)
                host_S.copy_(flat_S, non_blocking=True)
            self.moved[key, x.dtype] = _HostCopy(host_S, x.device)
        return _View(self.moved[key, x.dtype], x.size(), x.stride(), x.storage_offset())

    def unpack(self, packed: Tensor | _View) -> Tensor:
        """`x` again."""
        if isinstance(packed, Tensor):
            return packed
        with torch.no_grad():
            return packed.storage.fetch().as_strided(packed.size, packed.stride, packed.offset)
