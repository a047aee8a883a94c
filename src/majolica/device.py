"""Find the device, copy tensors to it without blocking, and wait for it."""

from __future__ import annotations

import torch
from torch import Tensor

from majolica.errors import UserError


def find_device(name: str | None) -> torch.device:
    """The device called `name`; if `name` is None, the GPU if there is one, else the CPU.

    Raises UserError if this machine does not have it.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch was compiled without CUDA
        reason = str(error).split("\n")[0]
        raise UserError(f"the device {name!r} cannot be used here: {reason}") from error
    return device


def to_device(x: Tensor, device: torch.device) -> Tensor:
    """Copy the host tensor `x` to `device`.

    A copy to a GPU is queued from pinned memory, because a copy from pageable memory makes the host
    wait for all work that the GPU still has to do.
    """
    if device.type == "cpu":
        return x
    return (x.pin_memory() if device.type == "cuda" else x).to(device, non_blocking=True)


def synchronize(device: torch.device) -> None:
    """Wait until `device` has finished all work that is queued on it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
