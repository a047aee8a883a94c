"""Counting what would make the host wait for a GPU, on a machine without one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class Reads(TorchDispatchMode):
    """Counts operations whose result the host must know: values read, and shapes that depend on values."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        aten = torch.ops.aten
        by_mask = function in (aten.index.Tensor, aten.index_put_.default) and any(
            isinstance(index, Tensor) and index.dtype == torch.bool for index in args[1]
        )
        self.count += by_mask or function in (
            aten._local_scalar_dense.default,
            aten.nonzero.default,
            aten.masked_select.default,
        )
        return function(*args, **(kwargs or {}))
