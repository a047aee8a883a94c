"""Off-loading saved tensors to the host.

Beside a GPU they go to pinned memory. On a CPU they are copied, which serves only for tests.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef


class _Offloading(threading.local):
    active = False


_offloading = _Offloading()


def is_offloading() -> bool:
    """Whether this thread is creating a copy on the host, which takes no memory of the device."""
    return _offloading.active


@contextmanager
def _mark_offloading() -> Iterator[None]:
    _offloading.active = True
    try:
        yield
    finally:
        _offloading.active = False


@dataclass
class _HostCopy:
    """A whole storage on the host, and its copy on the device as long as a view of it exists."""

    host_S: Tensor
    device: torch.device
    device_copy: weakref.ref[Tensor] | None = None

    def fetch(self) -> Tensor:
        """Return the storage on the device as a flat tensor."""
        flat_S = self.device_copy() if self.device_copy else None
        if flat_S is None:
            flat_S = torch.empty_like(self.host_S, device=self.device, pin_memory=False)
            flat_S.copy_(self.host_S, non_blocking=True)
            self.device_copy = weakref.ref(flat_S)
        return flat_S


@dataclass(frozen=True)
class _View:
    """The geometry of a saved tensor, and the copy of its storage."""

    storage: _HostCopy
    size: torch.Size
    stride: tuple[int, ...]
    offset: int | torch.SymInt


def _storage_reference(x: Tensor) -> StorageWeakRef:
    """Return a weak reference: it identifies the storage of `x`, but does not keep its memory."""
    return StorageWeakRef(x.untyped_storage())  # type: ignore[no-untyped-call]


class Offload:
    """Hooks for `torch.autograd.graph.saved_tensors_hooks` around one call of a block.

    Each storage moves once and as a whole, however many views of it are saved. The views come back
    with their strides, so the kernels of the backward pass get the same tensors. Parameters stay on
    the device, and so do the tensors `stay`: other blocks hold them as well, so moving them would
    free nothing.
    """

    def __init__(self, stay: Iterable[Tensor]) -> None:
        self.stay = {_storage_reference(x) for x in stay}
        self.copies: dict[tuple[StorageWeakRef, torch.dtype], _HostCopy] = {}

    def pack(self, x: Tensor) -> Tensor | _View:
        """Return what autograd saves instead of `x`."""
        key = _storage_reference(x)
        root = x if x._base is None else x._base
        if isinstance(root, torch.nn.Parameter) or key in self.stay or x.is_conj() or x.is_neg() or not x.numel():
            return x
        if (key, x.dtype) not in self.copies:
            count = x.untyped_storage().nbytes() // x.element_size()
            with torch.no_grad(), _mark_offloading():
                flat_S = x.detach().as_strided((count,), (1,), 0)
                host_S = torch.empty_like(flat_S, device="cpu", pin_memory=x.is_cuda)
                host_S.copy_(flat_S, non_blocking=True)
            self.copies[key, x.dtype] = _HostCopy(host_S, x.device)
        return _View(self.copies[key, x.dtype], x.size(), x.stride(), x.storage_offset())

    def unpack(self, packed: Tensor | _View) -> Tensor:
        """Return the tensor that `pack` was given."""
        if isinstance(packed, Tensor):
            return packed
        with torch.no_grad():
            return packed.storage.fetch().as_strided(packed.size, packed.stride, packed.offset)
