"""Counting what would make the host wait for a GPU, on a machine without one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class Reads(TorchDispatchMode):
    """Counts operations that wait: values read, shapes that depend on values, copies between devices that block."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.crossings = 0
        """Copies between devices, those that do not block included."""

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
        out = function(*args, **(kwargs or {}))
        if function in (aten._to_copy.default, aten.copy_.default):
            source = args[0] if function is aten._to_copy.default else args[1]
            waits = not (kwargs or {}).get("non_blocking", len(args) > 2 and args[2])
            if source.device != out.device:
                self.crossings += 1
                self.count += waits
        return out
